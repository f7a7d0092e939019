//! Addresses of machines and networks, as they are written.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error};

/// An address to listen on. Names are not looked up: they may stand for several addresses.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.trim().parse().map_err(|_| {
        D::Error::custom(format!(
            "must be an IP address, such as 127.0.0.1 (this machine only) or 0.0.0.0 (all networks), not `{text}`"
        ))
    })
}

/// Networks in CIDR notation, or single addresses.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parsed = texts.iter().map(|text| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| address())
            .map_err(|_| D::Error::custom(format!("'{text}' is neither an address nor a network, such as 10.0.0.0/8")))
    });
    parsed.collect()
}
