//! What caches between client and server must know.

use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, VARY},
};

/// Says that the response depends on the request headers in which a token could have come
/// (RFC 9110, 12.5.5), beside what the handler said. `names` is a list.
pub(crate) fn vary(headers: &mut HeaderMap, names: &HeaderValue) {
    // Few handlers set it; to add a line finds that out by one look.
    if !headers.append(VARY, names.clone()) {
        return;
    }
    let mut lines: Vec<HeaderValue> = headers.get_all(VARY).iter().cloned().collect();
    // The one that was added.
    lines.pop();
    let said = |name: &str| {
        lines.iter().flat_map(list).any(|said| said == "*" || said.eq_ignore_ascii_case(name))
    };
    let missing: Vec<&str> = list(names).filter(|name| !said(name)).collect();
    let missing = HeaderValue::try_from(missing.join(", "));
    lines.extend(missing.ok().filter(|missing| !missing.is_empty()));
    headers.remove(VARY);
    headers.extend(lines.into_iter().map(|line| (VARY, line)));
}

fn list(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// Forbids caches to keep a response that carries a token; whatever the handler said is replaced, for
/// a cached `Set-Cookie` signs one user in as another (RFC 9111, 7.3). Tells whether the handler had
/// allowed it.
pub(crate) fn forbid_storing(headers: &mut HeaderMap) -> bool {
    static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
    // As in `vary`.
    if !headers.append(CACHE_CONTROL, NO_STORE.clone()) {
        return false;
    }
    let lines = headers.get_all(CACHE_CONTROL);
    let allowed = lines.iter().flat_map(list).any(|directive| {
        directive.eq_ignore_ascii_case("public")
            || directive.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("s-maxage="))
    });
    headers.insert(CACHE_CONTROL, NO_STORE.clone());
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varied(said: &[&'static str], names: &'static str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in said {
            headers.append(VARY, HeaderValue::from_static(value));
        }
        vary(&mut headers, &HeaderValue::from_static(names));
        headers.get_all(VARY).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn vary_is_merged_and_never_repeated() {
        assert_eq!(varied(&[], "cookie"), ["cookie"]);
        assert_eq!(
            varied(&["accept"], "cookie, authorization"),
            ["accept", "cookie, authorization"]
        );
        assert_eq!(varied(&["Accept, COOKIE"], "cookie"), ["Accept, COOKIE"]);
        assert_eq!(varied(&["Cookie"], "cookie, x-token"), ["Cookie", "x-token"]);
        assert_eq!(varied(&["*"], "cookie"), ["*"]);
    }

    #[test]
    fn token_is_never_stored_even_where_the_handler_allowed_it() {
        for (said, allowed) in [
            ("public, max-age=60", true),
            ("S-MaxAge=1", true),
            ("private", false),
            ("no-cache", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(CACHE_CONTROL, HeaderValue::from_static(said));
            assert_eq!(forbid_storing(&mut headers), allowed, "{said}");
            assert_eq!(headers.len(), 1);
            assert_eq!(headers[CACHE_CONTROL], "no-store");
        }
    }
}
