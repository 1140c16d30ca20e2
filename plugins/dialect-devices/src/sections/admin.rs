//! Section "Administration of AI": providers, models, usage.

use portico_sdk::dialect::{Route, delete, get, post, put};

use crate::{ADMIN, ADMIN_AUTH, Devices};

pub(crate) const ROUTES: &[Route<Devices>] = &[
    get("/api/whatsapp/admin/ai/providers").auth(ADMIN_AUTH).limits(ADMIN),
    post("/api/whatsapp/admin/ai/providers").auth(ADMIN_AUTH).limits(ADMIN),
    put("/api/whatsapp/admin/ai/providers/{providerId}").auth(ADMIN_AUTH).limits(ADMIN),
    delete("/api/whatsapp/admin/ai/providers/{providerId}").auth(ADMIN_AUTH).limits(ADMIN),
    get("/api/whatsapp/admin/ai/models").auth(ADMIN_AUTH).limits(ADMIN),
    post("/api/whatsapp/admin/ai/models").auth(ADMIN_AUTH).limits(ADMIN),
    put("/api/whatsapp/admin/ai/models/{modelId}").auth(ADMIN_AUTH).limits(ADMIN),
    delete("/api/whatsapp/admin/ai/models/{modelId}").auth(ADMIN_AUTH).limits(ADMIN),
    get("/api/whatsapp/admin/ai/usage-logs").auth(ADMIN_AUTH).limits(ADMIN),
    get("/api/whatsapp/admin/ai/cost-alerts").auth(ADMIN_AUTH).limits(ADMIN),
];
