//! Lines in the gateway's log. Never write message text, phone numbers or keys: nobody filters them out.

pub use crate::bindings::portico::plugin::log::Level;

/// Writes a line. Natively it does nothing.
pub fn write(level: Level, message: &str, fields: &[(&str, String)]) {
    if cfg!(target_arch = "wasm32") {
        let fields: Vec<(String, String)> = fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        crate::bindings::portico::plugin::log::write(level, message, &fields);
    }
}

/// Writes a line at `info`.
pub fn info(message: &str) {
    write(Level::Info, message, &[]);
}

/// Writes a line at `warn`.
pub fn warn(message: &str) {
    write(Level::Warn, message, &[]);
}

/// Sends the text of a panic to the log before the instance ends; a trap alone would say nothing.
pub(crate) fn install_panic_hook() {
    if cfg!(target_arch = "wasm32") {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
            write(Level::Error, &format!("panicked: {}", info.payload_as_str().unwrap_or("?")), &[("at", place)]);
        }));
    }
}
