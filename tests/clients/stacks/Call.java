// SPDX-License-Identifier: Apache-2.0
//
// Calls by Java: Call.java jsse|conscrypt|netty. Jobs on stdin, one a line: nonce, host, port, path,
// headers as k=v;k=v and body, with tabs between. Prints "ready", then nonces.
import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.security.*;
import java.security.cert.CertificateFactory;
import java.util.concurrent.*;
import javax.net.ssl.*;

public class Call {
  static TrustManagerFactory trust(TrustManagerFactory factory) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream pem = new FileInputStream(System.getenv("SSL_CERT_FILE"))) {
      store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
    }
    factory.init(store);
    return factory;
  }

  static TrustManagerFactory trust() throws Exception {
    return trust(TrustManagerFactory.getInstance("PKIX"));
  }

  static SSLContext jsse() throws Exception {
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust().getTrustManagers(), null);
    return context;
  }

  // Java's own trust manager does not know TLS 1.3 by others ("Unknown authType: GENERIC").
  static class Conscrypt {
    static SSLContext context() throws Exception {
      Provider provider =
          org.conscrypt.Conscrypt.newProviderBuilder().provideTrustManager(true).build();
      SSLContext context = SSLContext.getInstance("TLS", provider);
      context.init(null, trust(TrustManagerFactory.getInstance("PKIX", provider)).getTrustManagers(), null);
      return context;
    }
  }

  static void byUrl(SSLContext context, String[] job) throws Exception {
    URL url = new URL("https://" + job[1] + ":" + job[2] + job[3]);
    HttpsURLConnection connection = (HttpsURLConnection) url.openConnection();
    connection.setSSLSocketFactory(context.getSocketFactory());
    connection.setHostnameVerifier((name, session) -> true);
    connection.setRequestMethod("POST");
    connection.setDoOutput(true);
    for (String header : job[4].split(";"))
      connection.setRequestProperty(header.split("=", 2)[0], header.split("=", 2)[1]);
    connection.getOutputStream().write(job[5].getBytes(StandardCharsets.UTF_8));
    connection.getInputStream().readAllBytes();
  }

  // In a class of its own: only there are netty's classes needed.
  static class Netty {
    static Object context() throws Exception {
      return io.netty.handler.ssl.SslContextBuilder.forClient()
          .sslProvider(io.netty.handler.ssl.SslProvider.OPENSSL).trustManager(trust()).build();
    }

    static void call(Object context, String[] job) throws Exception {
      var group = new io.netty.channel.nio.NioEventLoopGroup(1);
      var done = new CountDownLatch(1);
      String request = "POST " + job[3] + " HTTP/1.1\r\nHost: " + job[1] + "\r\nConnection: close\r\n"
          + job[4].replace(";", "\r\n").replace("=", ": ") + "\r\nContent-Length: "
          + job[5].length() + "\r\n\r\n" + job[5];
      var bootstrap = new io.netty.bootstrap.Bootstrap().group(group)
          .channel(io.netty.channel.socket.nio.NioSocketChannel.class)
          .handler(new io.netty.channel.ChannelInitializer<io.netty.channel.Channel>() {
            protected void initChannel(io.netty.channel.Channel channel) {
              channel.pipeline().addLast(((io.netty.handler.ssl.SslContext) context).newHandler(
                  channel.alloc(), job[1], Integer.parseInt(job[2])));
            }
          });
      var channel = bootstrap.connect(job[1], Integer.parseInt(job[2])).sync().channel();
      channel.closeFuture().addListener(closed -> done.countDown());
      channel.writeAndFlush(io.netty.buffer.Unpooled.copiedBuffer(request, StandardCharsets.UTF_8));
      done.await(20, TimeUnit.SECONDS);
      group.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Object context = switch (arguments[0]) {
      case "netty" -> Netty.context();
      case "conscrypt" -> Conscrypt.context();
      default -> jsse();
    };
    System.out.println("ready");
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = lines.readLine()) != null;) {
      String[] job = line.split("\t");
      if (context instanceof SSLContext c) byUrl(c, job); else Netty.call(context, job);
      System.out.println("{\"nonce\": \"" + job[0] + "\"}");
    }
  }
}
