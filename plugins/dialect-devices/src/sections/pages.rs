//! Section "Testing tools": pages, made of the table of endpoints. The host takes `/test/` for `/test`.

use portico_sdk::dialect::{Call, Dialect, Fault, Route, get};
use portico_sdk::http::Response;

use crate::Devices;

pub(crate) const ROUTES: &[Route<Devices>] = &[
    get("/api-docs.html").public().page().run(docs),
    get("/test").public().page().run(commands),
    get("/test/comprehensive-testing.html").public().page().run(commands),
];

/// Every endpoint with the credentials it asks for.
fn docs(_: &Call<Devices>) -> Result<Response, Fault> {
    let rows: String = endpoints()
        .map(|row| {
            let served = if row.is_served() { "" } else { "answers 501" };
            format!("<tr><td>{}<td><code>{}</code><td>{}<td>{served}\n", row.method, row.path, headers(row).join(", "))
        })
        .collect();
    Ok(page("Endpoints", &format!("<table>\n<tr><th>Method<th>Path<th>Headers<th>\n{rows}</table>")))
}

/// A command for each endpoint that is served, to be tried by hand.
fn commands(_: &Call<Devices>) -> Result<Response, Fault> {
    let lines: String = endpoints()
        .filter(|row| row.is_served())
        .map(|row| {
            let headers: String = headers(row).iter().map(|name| format!(" -H '{name}: …'")).collect();
            let body = match (row.multipart, row.method) {
                (true, _) => " -F 'file=@…'",
                (false, "POST" | "PUT") => " -H 'Content-Type: application/json' -d '{…}'",
                _ => "",
            };
            format!("curl -X {} \"$API{}\"{headers}{body}\n", row.method, row.path)
        })
        .collect();
    let hint = "<p>Set <code>API</code> to the address of the gateway, and put values for what stands in braces.</p>";
    Ok(page("Endpoints to try", &format!("{hint}\n<pre>{lines}</pre>")))
}

fn endpoints() -> impl Iterator<Item = &'static Route<Devices>> {
    Devices::ROUTES.iter().flat_map(|section| section.iter())
}

/// The headers of the first set that serves.
fn headers(row: &Route<Devices>) -> &'static [&'static str] {
    row.auth.unwrap_or(Devices::AUTH).first().copied().unwrap_or_default()
}

/// Paths and names are constants of ours that need no escapes.
fn page(title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1>\n{body}\n</body></html>\n"
    );
    Response::new(200, "text/html; charset=utf-8", html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_table_needs_escapes() {
        let is_plain = |text: &str| !text.contains(['<', '>', '&', '"']);
        assert!(endpoints().all(|row| is_plain(row.path) && headers(row).iter().all(|name| is_plain(name))));
    }
}
