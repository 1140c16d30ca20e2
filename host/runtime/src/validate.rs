//! Validates what guests return before the host uses it.

use portico_core::header;

/// Bytes of a header's name at most.
const HEADER_NAME_BYTES_MAX: usize = 64;

/// Checks a batch of answers: there must be one for each question, and each must pass `check`.
pub(crate) fn check_batch<R, A>(
    answers: Vec<R>,
    questions: usize,
    check: impl Fn(R) -> Result<A, String>,
) -> Result<Vec<A>, String> {
    if answers.len() != questions {
        return Err(format!("{} answers to a batch of {questions}", answers.len()));
    }
    answers.into_iter().map(check).collect()
}

/// Checks one header: a name made of token characters, a value without line breaks, both not too long.
pub(crate) fn check_header(name: &str, value: &str, bytes_max: usize) -> Result<(), String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err("a header's name has characters that are not allowed there".into());
    }
    if value.bytes().any(|b| b != b'\t' && !(0x20..0x7f).contains(&b)) {
        return Err(format!("the value of the header `{name}` must be printable ASCII"));
    }
    if name.len() + value.len() > bytes_max {
        return Err(format!("the header `{name}` is longer than {bytes_max} bytes"));
    }
    Ok(())
}

/// Checks a header's name as routes write it: in lower case.
pub(crate) fn check_header_name(name: &str) -> Result<(), String> {
    check_header(name, "", HEADER_NAME_BYTES_MAX)?;
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!("the header `{name}` must be written in lower case"));
    }
    Ok(())
}

/// Checks the headers of an HTTP answer.
pub(crate) fn check_headers(headers: &[(String, String)], count_max: usize, bytes_max: usize) -> Result<(), String> {
    if headers.len() > count_max {
        return Err(format!("{} headers, at most {count_max} are allowed", headers.len()));
    }
    for (name, value) in headers {
        check_header(name, value, bytes_max)?;
        if header::is_of_connection(name) {
            return Err(format!("the header `{name}` is set by the host"));
        }
    }
    Ok(())
}

/// Checks the name of a header that a delivery may carry.
pub(crate) fn check_delivery_header(name: &str) -> Result<(), String> {
    if header::is_of_delivery(name) {
        return Err(format!("the header `{name}` is set by the host"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_break_messages_apart_are_refused() {
        assert!(check_header("x-good", "yes", 100).is_ok());
        for (name, value) in [("x", "a\r\nset-cookie: b"), ("x y", "a"), ("", "a"), ("x", "é"), ("x\n", "a")] {
            assert!(check_header(name, value, 100).is_err(), "{name:?}: {value:?}");
        }
        assert!(check_header("x", &"a".repeat(200), 100).is_err());
        assert!(check_headers(&[("Content-Length".into(), "1".into())], 9, 100).is_err());
        assert!(check_delivery_header("Webhook-Signature").is_err());
    }
}
