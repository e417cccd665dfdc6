//! Addresses and networks as people write them: `10.0.0.0/8`, `127.0.0.1`, `fd00::/8`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A network, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many of its first bits count.
    length: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNetwork {
    /// It cannot be read.
    #[error("`{0}` is no address or network, such as `127.0.0.1`, `10.0.0.0/8` or `fd00::/8`")]
    Malformed(String),
    /// Bits are set that the length says do not count: it may mean something else.
    #[error("`{written}` names one address and a network at once; the network is `{meant}`")]
    Stray {
        /// The text.
        written: String,
        /// The network that the address is in.
        meant: Network,
    },
}

impl Network {
    /// A network; bits of `address` beyond the first `length` do not count.
    pub(crate) const fn new(address: IpAddr, length: u8) -> Network {
        Network { address, length }
    }

    /// Whether an address is in it. An IPv4 address and its form in IPv6 (`::ffff:…`) are the same.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_head(u128::from(network.to_bits()), u128::from(address.to_bits()), 32, self.length)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_head(network.to_bits(), address.to_bits(), 128, self.length)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// The same without bits that do not count.
    fn bare(self) -> Network {
        let address = match self.address {
            IpAddr::V4(address) => {
                let kept = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V4((address.to_bits() & kept).into())
            }
            IpAddr::V6(address) => {
                let kept = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & kept))
            }
        };
        Network { address, ..self }
    }
}

/// Whether two numbers of `width` bits begin with the same `length` bits.
fn same_head(one: u128, other: u128, width: u32, length: u8) -> bool {
    (one ^ other).checked_shr(width.saturating_sub(u32::from(length))).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Network, BadNetwork> {
        let malformed = || BadNetwork::Malformed(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= most).ok_or_else(malformed)?
            }
            Some(_) => return Err(malformed()),
        };
        let network = Network { address, length };
        match network.bare() {
            // What is inside `::ffff:0:0/96` is IPv4, and is to be written so.
            _ if address != address.to_canonical() => Err(malformed()),
            meant if meant == network => Ok(network),
            meant => Err(BadNetwork::Stray { written: text.to_owned(), meant }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = if self.address.is_ipv4() { 32 } else { 128 };
        match self.length == most {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.length),
        }
    }
}
