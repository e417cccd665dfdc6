//! What is called at the wish of people: which addresses are let pass, in every spelling, and how a message goes out.

use std::net::IpAddr;
use std::sync::Arc;

use loopfour_connect::outbound::{BadNetwork, Guard, Network, Outbound};
use loopfour_connect::webhook::standard::{Key, Signed};
use loopfour_engine::notices::{Teller as _, Telling, Untold};
use loopfour_engine::{CompanyId, MessageId, NoticeId, Timestamp};
use secrecy::SecretString;
use uuid::Uuid;

use crate::server::{Answer, Server, answer};

const NOW: Timestamp = Timestamp(1_767_323_045_678);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
const PUBLIC: &str = "93.184.216.34";

fn guard(allowed: &[&str]) -> Guard {
    Guard::new(allowed.iter().map(|network| network.parse().unwrap()).collect())
}

/// A client that takes every name for these addresses.
fn outbound(allowed: &[&str], addresses: &[&str]) -> Outbound {
    let found: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let lookup = move |_| {
        let found = found.clone();
        Box::pin(async move { Ok(found) }) as _
    };
    Outbound::resolving(guard(allowed), Arc::new(lookup))
}

fn telling(url: &str) -> Telling {
    Telling {
        id: MessageId(Uuid::from_u128(1)),
        notice: NoticeId(Uuid::from_u128(2)),
        company: CompanyId(Uuid::from_u128(3)),
        url: url.to_owned(),
        secret: SecretString::from(SECRET),
        body: r#"{"type":"run.failed","data":{}}"#.to_owned(),
        attempts: 0,
        is_failing: false,
    }
}

/// The name and port of an address of this machine.
fn named(base: &str) -> String {
    base.replace("127.0.0.1", "receiver.test")
}

#[test]
fn only_public_addresses_are_let_pass() {
    let closed = [
        // Loopback, in all spellings that mean it.
        "127.0.0.1",
        "127.1",
        "127.255.255.254",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        // Private.
        "10.0.0.1",
        "10.255.255.255",
        "0xa.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "3232235777",
        "[::ffff:192.168.1.1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[fec0::1]",
        // Link-local, and where clouds keep their metadata.
        "169.254.0.1",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        // Unspecified, shared, documentation, benchmarks, multicast, reserved.
        "0",
        "0.0.0.0",
        "0.1.2.3",
        "[::]",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.2.1",
        "198.51.100.7",
        "203.0.113.9",
        "198.18.0.1",
        "198.19.255.255",
        "192.88.99.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "[2001:db8::1]",
        "[3fff::1]",
        "[ff02::1]",
        "[100::1]",
        "[4000::1]",
        // Forms of IPv4 in IPv6.
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::10.0.0.1]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[2002:0a00:0001::1]",
        "[2001:0:5ef5:79fd::1]",
    ];
    for host in closed {
        for url in [format!("https://{host}/hooks"), format!("https://{host}:8443/")] {
            let refused = guard(&[]).check(&url).map(|url| url.to_string()).map_err(|why| why.to_string());
            assert!(refused.as_ref().is_err_and(|why| why.contains("is not a public")), "{url}: {refused:?}");
        }
    }
    let open = [
        "example.com",
        "EXAMPLE.com.",
        "localhost.example.com",
        PUBLIC,
        "0x5db8d822",
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "[2606:4700:4700::1111]",
        "[2a00:1450::1]",
        "[::ffff:93.184.216.34]",
        "[64:ff9b::93.184.216.34]",
        "[2002:5db8:d822::1]",
    ];
    for host in open {
        assert!(guard(&[]).check(&format!("https://{host}/hooks?x=1")).is_ok(), "{host}");
    }
}

#[test]
fn an_address_is_one_of_the_web() {
    let check = |url: &str, expected: &str| {
        assert_eq!(guard(&[]).check(url).unwrap_err().to_string(), expected, "{url}");
    };
    for url in [
        "",
        "x",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https:///",
        "https://[::1",
        "https://a b",
    ] {
        check(url, &format!("`{url}` is no https address, such as https://example.com/hooks"));
    }
    let excess =
        "the address must have no user, password or fragment: only scheme, host, port, path and query";
    for url in [
        "https://a@example.com",
        "https://a:b@example.com",
        "https://:b@example.com",
        "https://example.com/#a",
    ] {
        check(url, excess);
    }
    check(
        "http://example.com",
        "the address must begin with https://; http is for addresses in `outbound_allow` of the server's settings",
    );
    check(&format!("https://example.com/{}", "x".repeat(2048)), "the address has more than 2048 bytes");
}

#[test]
fn the_operator_allows_addresses_and_networks() {
    let check = |allowed: &[&str], url: &str, passes: bool| {
        assert_eq!(guard(allowed).check(url).is_ok(), passes, "{allowed:?} {url}");
    };
    check(&["127.0.0.1"], "http://127.0.0.1:8080/x", true);
    check(&["127.0.0.1"], "https://[::ffff:127.0.0.1]/", true);
    check(&["127.0.0.1"], "http://127.0.0.2/", false);
    check(&["127.0.0.1"], "http://localhost:1/", true);
    check(&["::1"], "http://localhost:1/", true);
    check(&["10.0.0.0/8"], "http://localhost:1/", false);
    check(&["10.0.0.0/8"], "http://10.200.0.1/", true);
    check(&["10.0.0.0/8"], "http://11.0.0.1/", false);
    check(&["fd00::/8"], "http://[fd12::1]/", true);
    check(&["fd00::/8"], "http://[fc12::1]/", false);
    check(&["0.0.0.0/0"], "http://93.184.216.34/", true);
    // Whether it may be called is known once the name is resolved.
    check(&["10.0.0.0/8"], "http://intranet/", true);
    check(&["10.0.0.0/8"], "http://93.184.216.34/", false);
}

#[test]
fn networks_are_read_strictly() {
    for text in ["10.0.0.0/8", "127.0.0.1", "0.0.0.0/0", "::1", "fd00::/8", "::/0"] {
        assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
    }
    assert_eq!("10.0.0.1/32".parse::<Network>().unwrap().to_string(), "10.0.0.1");
    for text in [
        "",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0/8",
        "localhost",
        "::ffff:10.0.0.1",
        "1.2.3.4/8/8",
    ] {
        assert_eq!(text.parse::<Network>(), Err(BadNetwork::Malformed(text.to_owned())));
    }
    let stray = "10.1.2.3/8".parse::<Network>().unwrap_err();
    assert_eq!(
        stray.to_string(),
        "`10.1.2.3/8` names one address and a network at once; the network is `10.0.0.0/8`"
    );
}

/// A name that meant something public when the address was taken means something else when the message goes out.
#[tokio::test]
async fn a_name_is_looked_at_when_it_is_resolved() {
    let private = "is not a public address; the operator of this server can allow it with `outbound_allow`";
    for address in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "fd00:ec2::254",
    ] {
        let outbound = outbound(&[], &[address]);
        assert_eq!(outbound.check("https://rebound.example/"), Ok(()));
        let Err(Untold::Failed(why)) = outbound.tell(&telling("https://rebound.example/"), NOW).await else {
            panic!("{address} was called");
        };
        assert!(why.contains(private) && !why.contains(address), "{address}: {why}");
    }
    // Without TLS only what is allowed, though others may be called with it.
    let mixed = outbound(&["10.0.0.0/8"], &[PUBLIC]);
    let Err(Untold::Failed(why)) = mixed.tell(&telling("http://rebound.example/"), NOW).await else {
        panic!("a public address was called without TLS");
    };
    assert!(why.contains("must begin with https://"), "{why}");
}

/// Of several addresses of a name only those that may be called are.
#[tokio::test]
async fn the_rest_of_a_name_is_called() {
    let server = Server::start(vec![answer("200 OK", &[], "")]);
    let outbound = outbound(&["127.0.0.1"], &["10.0.0.1", "127.0.0.1"]);
    assert_eq!(outbound.tell(&telling(&named(&server.base)), NOW).await, Ok(200));
    assert_eq!(server.finish().requests.len(), 1);
}

#[tokio::test]
async fn a_message_is_signed_the_standard_way() {
    let server = Server::start(vec![answer("204 No Content", &[], "")]);
    let outbound = outbound(&["127.0.0.0/8"], &[]);
    let message = telling(&format!("{}/hooks?for=x", server.base));
    assert_eq!(outbound.tell(&message, NOW).await, Ok(204));
    let seen = server.finish();
    let (head, body) = seen.requests[0].split_once("\r\n\r\n").unwrap();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
    assert!(head.starts_with("POST /hooks?for=x HTTP/1.1\r\n"), "{head}");
    assert_eq!((header("content-type"), body), ("application/json", &*message.body));
    assert_eq!(header("webhook-id"), message.id.to_string());
    assert_eq!(header("webhook-timestamp"), "1767323045");
    let signed =
        Signed::read(header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"), NOW);
    let key = Key::parse(&message.secret).unwrap();
    assert!(signed.is_some_and(|signed| signed.is_by(&key, body.as_bytes())));
}

#[tokio::test]
async fn what_is_no_2xx_did_not_arrive() {
    let rows = [
        ("200 OK", Ok(200)),
        ("299 Odd", Ok(299)),
        ("301 Moved", Err(Untold::Status(301))),
        ("307 Elsewhere", Err(Untold::Status(307))),
        ("404 Not Found", Err(Untold::Status(404))),
        ("410 Gone", Err(Untold::Gone)),
        ("500 Broken", Err(Untold::Status(500))),
    ];
    for (status, expected) in rows {
        // Where it leads to would answer well.
        let server = Server::start(vec![answer(status, &["location: /elsewhere"], "no")]);
        assert_eq!(
            outbound(&["127.0.0.1"], &[]).tell(&telling(&server.base), NOW).await,
            expected,
            "{status}"
        );
        assert_eq!(server.finish().requests.len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_left() {
    let much = "x".repeat(1 << 20);
    let server = Server::start(vec![answer("200 OK", &[], &much)]);
    assert_eq!(outbound(&["127.0.0.1"], &[]).tell(&telling(&server.base), NOW).await, Ok(200));
    server.finish();
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}", "x".repeat(9));
    let server = Server::start(vec![Answer::Cut(cut.into_bytes())]);
    assert_eq!(outbound(&["127.0.0.1"], &[]).tell(&telling(&server.base), NOW).await, Ok(200));
    server.finish();
}

/// The time stands still but for what waits: a receiver that says nothing is given up after the limit, not never.
#[tokio::test(start_paused = true)]
async fn silence_is_no_answer() {
    let server = Server::start(vec![Answer::Silence]);
    let told = outbound(&["127.0.0.1"], &[]).tell(&telling(&server.base), NOW).await;
    assert_eq!(told, Err(Untold::Failed("no answer within the time limit".to_owned())));
}

#[tokio::test]
async fn a_defect_of_the_message_is_said() {
    let outbound = outbound(&[], &[PUBLIC]);
    let short = Telling { secret: SecretString::from("whsec_AAAA"), ..telling("https://example.com/") };
    let told = outbound.tell(&short, NOW).await;
    assert_eq!(told, Err(Untold::Failed("the secret has 3 bytes, and 24 to 64 are right".to_owned())));
    let refused = outbound.tell(&telling("https://127.0.0.1/"), NOW).await;
    assert!(
        matches!(refused, Err(Untold::Failed(why)) if why.starts_with("127.0.0.1 is not a public address"))
    );
}
