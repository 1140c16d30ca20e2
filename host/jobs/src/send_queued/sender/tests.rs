use super::*;

#[test]
fn only_what_can_never_work_fails_a_message() {
    let busy = Error::Busy { why: "a limit".into(), retry_after: Duration::from_secs(9) };
    assert_eq!(failure(&busy), Failure::Later(Duration::from_secs(9)));
    let gone = Error::NotReady { state: DeviceState::Reconnecting.as_str(), hint: portico_core::error::Hint::Wait };
    assert_eq!(failure(&gone), Failure::NoSession);
    assert_eq!(failure(&Error::unavailable("the session", "broken")), Failure::Unreachable);
    let refused = Error::Refused { code: "not_on_whatsapp", why: "nobody there".into() };
    assert!(matches!(failure(&refused), Failure::Never(f) if f.code == "not_on_whatsapp"));
}

#[test]
fn a_message_that_never_gets_through_is_set_aside() {
    let mut sender = Sender::default();
    let (stuck, other) = (MessageId::new(1, 1), MessageId::new(1, 2));
    for _ in 1..UNREACHABLE_MAX {
        assert_eq!(sender.count(&stuck, Failure::Unreachable), Failure::Unreachable);
    }
    assert_eq!(sender.count(&stuck, Failure::Unreachable), Failure::SetAside);
    assert_eq!(sender.count(&other, Failure::Unreachable), Failure::Unreachable);
}

#[test]
fn a_message_the_gateway_keeps_failing_at_is_given_up() {
    let mut sender = Sender::default();
    let (poison, other) = (MessageId::new(1, 1), MessageId::new(1, 2));
    for _ in 1..FAULTS_MAX {
        assert_eq!(sender.count(&poison, Failure::Fault), Failure::Fault);
    }
    assert!(matches!(sender.count(&poison, Failure::Fault), Failure::Never(_)));
    assert_eq!(sender.count(&other, Failure::Fault), Failure::Fault);
}
