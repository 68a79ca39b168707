// SPDX-License-Identifier: Apache-2.0
//! reqwest on native-tls (OpenSSL) or on rustls. Jobs as JSON lines on stdin.
use std::io::BufRead;

use serde_json::{json, Value};

fn main() {
    let pem = std::fs::read(std::env::var("SSL_CERT_FILE").unwrap()).unwrap();
    let client = reqwest::blocking::Client::builder()
        .add_root_certificate(reqwest::Certificate::from_pem(&pem).unwrap())
        .build()
        .unwrap();
    for line in std::io::stdin().lock().lines() {
        let job: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = |key: &str| job[key].as_str().unwrap().to_owned();
        let url = format!("https://{}:{}{}", text("host"), job["port"], text("path"));
        let mut request = client.post(url).body(text("body"));
        for (name, value) in job["headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        let received = request.send().unwrap().text().unwrap();
        println!("{}", json!({"nonce": text("nonce"), "received": received}));
    }
}
