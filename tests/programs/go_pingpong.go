// SPDX-License-Identifier: Apache-2.0
//
// What tls_pingpong.c is, over Go's crypto/tls and a pipe in memory. Commands on stdin:
//
//	new        a fresh connection  -> client's and server's *Conn, hex
//	write N    client writes N     -> ok
//	reply N    server writes N     -> ok
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"time"
)

type end struct {
	conn    *tls.Conn
	written uint64
}

func pattern(offset uint64) byte { return byte(offset*131 + (offset>>11)*7 + 5) }

func selfSigned() tls.Certificate {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func connect(certificate tls.Certificate) (*end, *end) {
	a, b := net.Pipe()
	client := tls.Client(a, &tls.Config{InsecureSkipVerify: true})
	server := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{certificate}})
	go func() {
		if err := server.Handshake(); err != nil {
			panic(err)
		}
	}()
	if err := client.Handshake(); err != nil {
		panic(err)
	}
	return &end{conn: client}, &end{conn: server}
}

func move(from, to *end, n int) {
	data := make([]byte, n)
	for i := range data {
		data[i] = pattern(from.written + uint64(i))
	}
	from.written += uint64(n)
	done := make(chan error)
	go func() {
		_, err := io.ReadFull(to.conn, make([]byte, n))
		done <- err
	}()
	if _, err := from.conn.Write(data); err != nil {
		panic(err)
	}
	if err := <-done; err != nil {
		panic(err)
	}
}

func main() {
	certificate := selfSigned()
	var client, server *end
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var word string
		var n int
		fmt.Sscan(lines.Text(), &word, &n)
		switch word {
		case "new":
			client, server = connect(certificate)
			fmt.Printf("%p %p\n", client.conn, server.conn)
			continue
		case "write":
			move(client, server, n)
		case "reply":
			move(server, client, n)
		}
		fmt.Println("ok")
	}
}
