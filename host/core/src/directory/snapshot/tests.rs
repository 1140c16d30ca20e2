use serde_json::json;

use super::*;
use crate::directory::Directory;
use crate::id::EnablementId;
use crate::model::plugin::schema::Schema;
use crate::model::plugin::{Audience, Granted};

const PLUGIN: &str = "acme.pace";

fn package() -> Arc<Package> {
    let schema = json!({
        "type": "object",
        "properties": { "pause": { "type": "integer", "minimum": 0, "default": 0 }, "night": { "type": "object" } },
    });
    let grant = |kind| Granted { kind, why: "for tests".to_owned() };
    let info = PluginInfo {
        id: PLUGIN.to_owned(),
        version: "1.0.0".to_owned(),
        name: "Pace".to_owned(),
        digest: "d1".to_owned(),
        hooks: vec![Hook::Pacing],
        mount: None,
        routes: Arc::new([]),
        sockets: Arc::new([]),
        grants: vec![grant(Grant::Rest), grant(Grant::Kv)],
    };
    let schema = Some(Schema::compile(schema).expect("a good schema"));
    Arc::new(Package { info, manifest: String::new(), schema })
}

fn offer() -> PluginOffer {
    PluginOffer {
        plugin: PLUGIN.to_owned(),
        digest: "d1".to_owned(),
        previous_digest: None,
        grants_max: None,
        audience: Audience::Everybody,
        default_state: Switch::On,
        public_routes: None,
        revision: 1,
        changed_at: UtcMs(0),
    }
}

fn tenant(n: u128) -> TenantId {
    TenantId::new(1, n)
}

fn device(n: u128) -> DeviceId {
    DeviceId::new(1, n)
}

fn row(tenant: TenantId, device: Option<DeviceId>, state: Switch, settings: Value) -> Enablement {
    let Value::Object(settings) = settings else { panic!("no object") };
    Enablement {
        id: EnablementId::new(1, 1),
        tenant,
        plugin: PLUGIN.to_owned(),
        device,
        state,
        settings,
        secret_names: Vec::new(),
        sealed_secrets: None,
        grants: None,
        position: 0,
        on_failure: None,
        revision: 1,
        changed_at: UtcMs(0),
    }
}

fn directory(offer: PluginOffer, rows: Vec<Enablement>) -> Directory {
    let directory = Directory::default();
    directory.know(package());
    directory.set_offers(directory.ticket(), &[offer]);
    directory.set_tenants(rows);
    directory
}

fn state_of(directory: &Directory, of: (u128, Option<u128>)) -> Option<(Switch, DecidedBy)> {
    let device = of.1.map(device);
    let effective = directory.snapshot().effective(Some(&tenant(of.0)), device.as_ref(), PLUGIN)?;
    Some((effective.state, effective.decided_by))
}

#[test]
fn the_device_decides_before_the_tenant_and_the_tenant_before_the_offer() {
    let rows = vec![
        row(tenant(1), None, Switch::On, json!({})),
        row(tenant(1), Some(device(1)), Switch::Off, json!({})),
        row(tenant(2), None, Switch::Off, json!({})),
        row(tenant(2), Some(device(2)), Switch::On, json!({})),
    ];
    let directory = directory(PluginOffer { default_state: Switch::Off, ..offer() }, rows);
    assert_eq!(state_of(&directory, (1, None)), Some((Switch::On, DecidedBy::Tenant)));
    assert_eq!(state_of(&directory, (1, Some(1))), Some((Switch::Off, DecidedBy::Device)));
    assert_eq!(state_of(&directory, (2, Some(2))), Some((Switch::On, DecidedBy::Device)));
    assert_eq!(state_of(&directory, (2, Some(9))), Some((Switch::Off, DecidedBy::Tenant)));
    assert_eq!(state_of(&directory, (3, Some(3))), Some((Switch::Off, DecidedBy::Offer)));
}

#[test]
fn a_plugin_that_is_not_offered_is_absent() {
    let offer = PluginOffer { audience: Audience::Tenants(vec![tenant(1)]), ..offer() };
    let directory = directory(offer, vec![row(tenant(2), None, Switch::On, json!({}))]);
    assert!(state_of(&directory, (1, None)).is_some());
    assert_eq!(state_of(&directory, (2, None)), None);
    assert!(directory.snapshot().effective(None, None, PLUGIN).is_none(), "strangers are of no tenant");
    let unknown = PluginOffer { digest: "d2".to_owned(), ..self::offer() };
    directory.set_offers(directory.ticket(), &[unknown]);
    assert_eq!(state_of(&directory, (1, None)), None, "its version is not loaded");
}

#[test]
fn strangers_are_served_as_the_offer_says() {
    let state = |offer: PluginOffer| {
        directory(offer, Vec::new()).snapshot().effective(None, None, PLUGIN).map(|effective| effective.state)
    };
    let off = || PluginOffer { default_state: Switch::Off, ..offer() };
    assert_eq!((state(offer()), state(off())), (Some(Switch::On), Some(Switch::Off)));
    // On for one tenant only, and its public routes are served.
    assert_eq!(state(PluginOffer { public_routes: Some(Switch::On), ..off() }), Some(Switch::On));
    let audience = Audience::Tenants(vec![tenant(1)]);
    assert_eq!(state(PluginOffer { public_routes: Some(Switch::On), audience, ..off() }), Some(Switch::On));
    assert_eq!(state(PluginOffer { public_routes: Some(Switch::Off), ..offer() }), Some(Switch::Off));
}

#[test]
fn an_apis_deliveries_wait_for_its_format_and_others_do_not() {
    let waits = |hooks: Vec<Hook>| {
        let mut package = Arc::into_inner(package()).expect("one holder");
        package.info.hooks = hooks;
        let directory = Directory::default();
        directory.know(Arc::new(package));
        directory.set_offers(directory.ticket(), &[offer()]);
        directory.snapshot().format_waits(&tenant(1), PLUGIN)
    };
    assert!(!waits(vec![Hook::WebhookFormat]));
    assert!(waits(vec![Hook::WebhookFormat, Hook::HttpHandler]));
    let rows = vec![Enablement { on_failure: Some(OnFailure::Wait), ..row(tenant(1), None, Switch::On, json!({})) }];
    let snapshot = directory(offer(), rows).snapshot();
    assert!(snapshot.format_waits(&tenant(1), PLUGIN) && !snapshot.format_waits(&tenant(2), PLUGIN));
    let empty = Directory::default().snapshot();
    assert!(empty.format_waits(&tenant(1), "gone") && !empty.format_waits(&tenant(1), "webhook-format"));
}

#[test]
fn a_devices_settings_lie_over_its_tenants_and_defaults_fill_the_rest() {
    let rows = vec![
        row(tenant(1), None, Switch::On, json!({ "night": { "from": 22, "to": 6 } })),
        row(tenant(1), Some(device(1)), Switch::On, json!({ "pause": 5, "night": { "to": 7 } })),
        row(tenant(1), Some(device(2)), Switch::On, json!({ "pause": -5 })),
    ];
    let directory = directory(offer(), rows);
    let snapshot = directory.snapshot();
    let of = |n| snapshot.effective(Some(&tenant(1)), Some(&device(n)), PLUGIN).expect("offered");
    let settings = |n| serde_json::from_str::<Value>(&of(n).settings).expect("JSON");
    assert_eq!(settings(1), json!({ "pause": 5, "night": { "from": 22, "to": 7 } }));
    assert_eq!(settings(9), json!({ "pause": 0, "night": { "from": 22, "to": 6 } }));
    assert!(of(2).problem.as_deref().is_some_and(|why| why.contains("/pause")), "{:?}", of(2).problem);
    assert_eq!(of(1).problem, None);
}

#[test]
fn a_grant_has_to_be_given_by_everybody() {
    let with = |grants: Option<Vec<Grant>>, row: Enablement| Enablement { grants, ..row };
    let rows = vec![
        with(Some(vec![Grant::Kv]), row(tenant(1), None, Switch::On, json!({}))),
        with(Some(vec![Grant::Rest]), row(tenant(1), Some(device(1)), Switch::On, json!({}))),
    ];
    let directory = directory(offer(), rows);
    let grants = |tenant_: u128, device_: u128| {
        let effective = directory.snapshot().effective(Some(&tenant(tenant_)), Some(&device(device_)), PLUGIN);
        effective.expect("offered").grants.clone()
    };
    assert_eq!(grants(1, 1), []);
    assert_eq!(grants(1, 2), [Grant::Kv]);
    assert_eq!(grants(2, 1), [Grant::Rest, Grant::Kv]);
    directory.set_offers(directory.ticket(), &[PluginOffer { grants_max: Some(vec![Grant::Rest]), ..offer() }]);
    assert_eq!(grants(2, 1), [Grant::Rest]);
    assert_eq!(grants(1, 2), []);
}

#[test]
fn rows_that_were_read_earlier_do_not_undo_newer_ones() {
    let directory = directory(offer(), Vec::new());
    let (earlier, later) = (directory.ticket(), directory.ticket());
    directory.set_tenant(later, &tenant(1), vec![row(tenant(1), None, Switch::Off, json!({}))]);
    directory.set_tenant(earlier, &tenant(1), Vec::new());
    assert_eq!(state_of(&directory, (1, None)), Some((Switch::Off, DecidedBy::Tenant)));
}

#[test]
fn plugins_with_one_hook_come_in_the_order_of_their_positions() {
    let directory = directory(offer(), vec![row(tenant(1), Some(device(1)), Switch::Off, json!({}))]);
    let on = |n| directory.snapshot().with_hook(Hook::Pacing, &tenant(1), &device(n)).len();
    assert_eq!((on(1), on(2)), (0, 1));
    assert!(directory.snapshot().with_hook(Hook::WebhookFormat, &tenant(1), &device(2)).is_empty());
}
