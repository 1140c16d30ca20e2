//! The endpoints as this API lists them itself, in `GET /api/docs`: a fixed answer.

pub(crate) const TITLE: &str = "WhatsApp API Documentation";
pub(crate) const DESCRIPTION: &str = "WhatsApp Business API with user registration and multi-account support";

/// What each endpoint is for.
type Lines = &'static [(&'static str, &'static str)];

/// The listing, by group.
pub(crate) const GROUPS: &[(&str, Lines)] = &[
    (
        "authentication",
        &[
            ("POST /api/auth/register", "Register new user"),
            ("POST /api/auth/login", "User login"),
            ("POST /api/auth/start-qr-with-user", "Start WhatsApp connection"),
            ("GET /api/auth/qr-user/:accountToken", "Display QR code"),
            ("GET /api/auth/user-token-status/:accountToken", "Check connection status"),
            ("GET /api/auth/user/:userId/profile", "Get user profile"),
            ("GET /api/auth/profile", "Get user profile by API key (frontend)"),
            ("GET /api/auth/user/:userId/whatsapp-accounts", "Get user WhatsApp accounts"),
        ],
    ),
    (
        "messaging",
        &[
            ("POST /api/send-message", "Send WhatsApp text message"),
            ("POST /api/send-media", "Send WhatsApp media message"),
            ("GET /api/templates", "List message templates"),
            ("POST /api/templates", "Create message template"),
            ("DELETE /api/templates/:name", "Delete message template"),
            ("GET /api/account/:token/status", "Check account status"),
            ("GET /api/account/:token/messages", "Get message history"),
        ],
    ),
    (
        "webhooks",
        &[
            ("POST /api/webhooks/register", "Register webhook for incoming messages"),
            ("GET /api/webhooks/:accountToken", "Get all webhooks for account"),
            ("PATCH /api/webhooks/:id", "Update webhook"),
            ("DELETE /api/webhooks/:id", "Delete webhook"),
            ("POST /api/webhooks/:id/test", "Test webhook"),
        ],
    ),
    (
        "media",
        &[
            ("GET /api/media/:messageId", "Download media file from message (24h expiry)"),
            ("GET /api/media-stats", "Get media service statistics"),
        ],
    ),
    ("utilities", &[("GET /api/health", "Health check"), ("GET /api/docs", "API documentation")]),
];

#[cfg(test)]
mod tests {
    use super::GROUPS;

    #[test]
    fn every_listed_endpoint_is_a_row() {
        let rows: Vec<String> = crate::sections::ALL
            .iter()
            .flat_map(|section| section.iter())
            .map(|row| format!("{} {}", row.method, row.path))
            .map(|row| row.replace("/{", "/:").replace('}', ""))
            .collect();
        for (route, _) in GROUPS.iter().flat_map(|(_, lines)| lines.iter()) {
            assert!(rows.contains(&(*route).to_owned()), "{route}");
        }
    }
}
