//! Which addresses may be called at the wish of somebody who does not run this server: only public ones, whatever the
//! spelling, and by name only after the name was resolved. Otherwise whoever may name an address could reach what stands
//! beside the server and trusts it. The operator can allow single addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use super::network::Network;

/// The longest address that is taken, bytes.
const LONGEST: usize = 2048;

/// Networks of IPv4 that are not public: this host, private, shared, loopback, link-local (with the metadata of clouds),
/// protocols, documentation, the old anycast of 6to4, benchmarks, multicast, reserved, and Azure's own address.
const CLOSED_V4: [Network; 16] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([168, 63, 129, 16], 32),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// What IPv6 has assigned for the public. Loopback, private, link-local and multicast addresses are all outside of it.
const OPEN_V6: Network = v6([0x2000, 0, 0, 0], 3);

/// Networks in there that are not public after all: protocols (Teredo among them) and documentation.
const CLOSED_V6: [Network; 3] =
    [v6([0x2001, 0, 0, 0], 23), v6([0x2001, 0xdb8, 0, 0], 32), v6([0x3fff, 0, 0, 0], 20)];

/// Forms of IPv4 addresses in IPv6: the translation of NAT64 in the last 32 bits, and 6to4 after the first 16.
const NAT64: Network = v6([0x64, 0xff9b, 0, 0], 96);
const SIX_TO_FOUR: Network = v6([0x2002, 0, 0, 0], 16);

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Network {
    Network::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length)
}

const fn v6([a, b, c, d]: [u16; 4], length: u8) -> Network {
    Network::new(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), length)
}

/// Which addresses may be called.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Vec<Network>,
}

/// Why an address may not be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no address of the web.
    #[error("`{0}` is no https address, such as https://example.com/hooks")]
    Malformed(String),
    /// It has a name and a password, or a fragment.
    #[error("the address must have no user, password or fragment: only scheme, host, port, path and query")]
    Excess,
    /// It is longer than any address need be.
    #[error("the address has more than 2048 bytes")]
    TooLong,
    /// What is sent there could be read on the way.
    #[error(
        "the address must begin with https://; http is for addresses in `outbound_allow` of the server's settings"
    )]
    Plain,
    /// It is not public.
    #[error("{0} is not a public address; the operator of this server can allow it with `outbound_allow`")]
    Private(String),
}

impl Guard {
    /// A guard that lets pass what is public, and these.
    pub fn new(allowed: Vec<Network>) -> Guard {
        Guard { allowed }
    }

    /// Looks at an address as it is written, without asking what its name means.
    ///
    /// # Errors
    /// It may not be called, whatever its name means.
    pub fn check(&self, url: &str) -> Result<Url, Refused> {
        if url.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let malformed = || Refused::Malformed(url.chars().take(80).collect());
        // This reads numbers of any base as the IPv4 address that they are.
        let parsed = Url::parse(url).map_err(|_| malformed())?;
        let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or_else(malformed)?;
        let is_plain = match parsed.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(malformed()),
        };
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
            return Err(Refused::Excess);
        }
        match literal(host) {
            Some(address) if !self.lets_pass(address) => Err(Refused::Private(address.to_string())),
            Some(address) if is_plain && !self.is_allowed(address) => Err(Refused::Plain),
            None if is_local(host) && !self.allows_loopback() => Err(Refused::Private(format!("`{host}`"))),
            // What the name means decides, see [`Guard::lets_pass_plain`].
            None if is_plain && self.allowed.is_empty() => Err(Refused::Plain),
            Some(_) | None => Ok(parsed),
        }
    }

    /// Whether this address may be called.
    pub fn lets_pass(&self, address: IpAddr) -> bool {
        self.is_allowed(address) || is_public(address)
    }

    /// Whether it may be called without TLS.
    pub fn lets_pass_plain(&self, address: IpAddr) -> bool {
        self.is_allowed(address)
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(address))
    }

    fn allows_loopback(&self) -> bool {
        [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
            .into_iter()
            .any(|address| self.is_allowed(address))
    }
}

/// The address that a host is, where it is one and not a name.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// Whether a name can only mean this machine.
fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host == "localhost" || host.ends_with(".localhost")
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => !CLOSED_V4.iter().any(|network| network.contains(address)),
        IpAddr::V6(inside) => {
            let address = IpAddr::V6(inside);
            let [_, b, c, .., y, z] = inside.segments();
            if NAT64.contains(address) {
                return is_public(inner(y, z));
            }
            if SIX_TO_FOUR.contains(address) {
                return is_public(inner(b, c));
            }
            OPEN_V6.contains(address) && !CLOSED_V6.iter().any(|network| network.contains(address))
        }
    }
}

/// The IPv4 address in two parts of one of IPv6.
fn inner(high: u16, low: u16) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}
