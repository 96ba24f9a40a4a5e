//! Requests that another site makes a browser send (CSRF): `Sec-Fetch-Site` decides where a browser
//! sends it, else `Origin`. Clients that are no browsers send neither.

use hyper::HeaderMap;
use hyper::header::ORIGIN;

/// Whether a request that changes something came from a page of another site. `own` are the origins
/// of this server.
pub fn is_from_elsewhere(headers: &HeaderMap, own: &[String]) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        // `none`: the person typed the address or used a bookmark.
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    !own.iter().any(|own| origin.as_bytes() == own.as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_this_sites_own_pages_and_programs_may_change_something() {
        let own = ["https://login.example.com".to_owned()];
        let from = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            is_from_elsewhere(&map, &own)
        };
        assert!(!from(&[]));
        assert!(!from(&[("sec-fetch-site", "same-origin")]));
        assert!(!from(&[("sec-fetch-site", "none")]));
        assert!(!from(&[("origin", "https://login.example.com")]));
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            assert!(from(&[("sec-fetch-site", site)]), "{site}");
        }
        for origin in [
            "null",
            "https://login.example.com.evil.example",
            "http://login.example.com",
            "https://login.example.com:8443",
        ] {
            assert!(from(&[("origin", origin)]), "{origin}");
        }
        let both = [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://login.example.com"),
        ];
        assert!(from(&both));
    }
}
