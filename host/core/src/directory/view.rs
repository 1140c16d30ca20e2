//! What decided, as the REST core shows it.

use portico_api as api;

use super::DecidedBy;

same_variants!(DecidedBy, api::DecidedBy: Device, Tenant, Offer);
