//! Zones as a configuration names them.

use super::{Zone, ZoneName};

impl Zone {
    /// The zone that a configuration means by `name`: `node` and `psys` are of the whole machine; `package`, `core`,
    /// `uncore` and `dram` are of socket 0, or of socket N when written `package-N`; everything else is a rail under
    /// that name.
    pub fn from_config(name: &str) -> Self {
        let (base, socket) = match name.rsplit_once('-') {
            Some((base, number)) => match number.parse() {
                Ok(socket) => (base, Some(socket)),
                Err(_) => (name, None),
            },
            None => (name, None),
        };
        let of_a_socket = |zone| Self { name: zone, socket: Some(socket.unwrap_or(0)) };
        match base {
            "package" => of_a_socket(ZoneName::Package),
            "core" => of_a_socket(ZoneName::Core),
            "uncore" => of_a_socket(ZoneName::Uncore),
            "dram" => of_a_socket(ZoneName::Dram),
            "psys" => Self { name: ZoneName::Psys, socket },
            "node" if socket.is_none() => Self { name: ZoneName::Node, socket: None },
            _ => Self { name: ZoneName::Rail(name.into()), socket: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_prony_prints_mean_the_same_zone_again() {
        for text in
            ["package-0", "package-1", "core-0", "uncore-3", "dram-1", "psys", "psys-1", "node", "VDD_IN", "rail-2"]
        {
            assert_eq!(Zone::from_config(text).to_string(), text);
        }
    }

    #[test]
    fn a_zone_of_a_socket_without_a_number_is_of_the_first() {
        assert_eq!(Zone::from_config("package"), Zone { name: ZoneName::Package, socket: Some(0) });
        assert_eq!(Zone::from_config("node"), Zone { name: ZoneName::Node, socket: None });
    }
}
