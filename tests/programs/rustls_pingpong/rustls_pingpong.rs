// SPDX-License-Identifier: Apache-2.0
//! What tls_pingpong.c is, over rustls and a pair of loopback sockets. Commands on stdin:
//!
//!   new [12 [CIPHER]]  a fresh connection (of TLS 1.2; with a cipher whose name has CIPHER in it)
//!                      -> client's and server's socket inode, hex
//!   write N            client writes N  -> ok
//!   reply N            server writes N  -> ok
//!   rekey              the client's next bytes come under a new key (TLS 1.3)  -> ok
use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

fn pattern(offset: u64) -> u8 {
    (offset.wrapping_mul(131) + (offset >> 11).wrapping_mul(7) + 5) as u8
}

#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self, _: &CertificateDer, _: &[CertificateDer], _: &ServerName, _: &[u8], _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self, _: &[u8], _: &CertificateDer, _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self, _: &[u8], _: &CertificateDer, _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

struct Pair {
    client: StreamOwned<ClientConnection, TcpStream>,
    server: StreamOwned<ServerConnection, TcpStream>,
    written: [u64; 2],
}

fn inode(socket: &TcpStream) -> u64 {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
    let text = link.to_str().unwrap();
    text["socket:[".len()..text.len() - 1].parse().unwrap()
}

fn connect(pem: &str, tls12: bool, cipher: &str) -> Pair {
    #[cfg(feature = "ring")]
    let mut provider = rustls::crypto::ring::default_provider();
    #[cfg(feature = "aws_lc")]
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|c| format!("{:?}", c.suite()).contains(cipher));
    let versions: &[&rustls::SupportedProtocolVersion] =
        if tls12 { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
    let client_config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_no_client_auth();
    let server_config = ServerConfig::builder_with_protocol_versions(versions)
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(pem).unwrap()],
            PrivateKeyDer::from_pem_file(pem).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let out = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (inside, _) = listener.accept().unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = StreamOwned::new(
        ClientConnection::new(Arc::new(client_config), name).unwrap(), out);
    let mut server =
        StreamOwned::new(ServerConnection::new(Arc::new(server_config)).unwrap(), inside);
    std::thread::scope(|scope| {
        scope.spawn(|| while server.conn.is_handshaking() {
            server.conn.complete_io(&mut server.sock).unwrap();
        });
        while client.conn.is_handshaking() {
            client.conn.complete_io(&mut client.sock).unwrap();
        }
    });
    Pair { client, server, written: [0; 2] }
}

fn data(written: &mut u64, n: usize) -> Vec<u8> {
    let from = *written;
    *written += n as u64;
    (from..*written).map(pattern).collect()
}

// The writer's thread is never the reader's.
fn move_bytes(from: &mut (impl Write + Send), to: &mut impl Read, bytes: &[u8]) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            from.write_all(bytes).unwrap();
            from.flush().unwrap();
        });
        to.read_exact(&mut vec![0; bytes.len()]).unwrap();
    });
}

fn main() {
    let pem = std::env::var("PINGPONG_PEM").expect("PINGPONG_PEM names key and certificate");
    #[cfg(feature = "ring")]
    rustls::crypto::ring::default_provider().install_default().unwrap();
    #[cfg(feature = "aws_lc")]
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let mut pair: Option<Pair> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let n: usize = words.get(1).and_then(|w| w.parse().ok()).unwrap_or(0);
        if words[0] == "new" {
            let p = pair.insert(connect(&pem, n == 12, words.get(2).unwrap_or(&"")));
            println!("{:x} {:x}", inode(&p.client.sock), inode(&p.server.sock));
            continue;
        }
        let p = pair.as_mut().unwrap();
        match words[0] {
            "write" => move_bytes(&mut p.client, &mut p.server, &data(&mut p.written[0], n)),
            "reply" => move_bytes(&mut p.server, &mut p.client, &data(&mut p.written[1], n)),
            "rekey" => p.client.conn.refresh_traffic_keys().unwrap(),
            _ => panic!("unknown command"),
        }
        println!("ok");
    }
}
