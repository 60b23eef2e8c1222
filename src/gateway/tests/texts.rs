//! Flash codes, texts for apps, and what a resend is rendered from.

use super::*;

#[tokio::test]
async fn a_service_may_flash_its_codes() {
    let mut settings = settings();
    settings.services.get_mut("pay").unwrap().flash = true;
    let world = World::with(0, settings, Store::in_memory(), Clock::manual(START)).await;
    for (service, flash) in [("default", false), ("pay", true)] {
        let wanted = IssueRequest { service: Some(service.to_owned()), ..request("+41791234567") };
        let (view, _) = world.gateway.issue(&Caller::default(), wanted).await.unwrap();
        let id = view.message.0;
        let m =
            world.store.read(move |view| crate::store::Records::message(view, id)).await.unwrap().unwrap();
        assert_eq!(m.unwrap().flash, flash, "{service}");
    }
}

#[tokio::test]
async fn a_text_that_its_values_make_too_long_for_the_app_is_refused() {
    let mut settings = settings();
    let service = settings.services.get_mut("default").unwrap();
    service.template = Template::parse("{name}, your code is {code}.").unwrap();
    service.android_app_hash = Some("FA+9qCX9VSu".to_owned());
    let world = World::with(0, settings, Store::in_memory(), Clock::manual(START)).await;
    let issue = async |length: usize| {
        let values = BTreeMap::from([("name".to_owned(), "n".repeat(length))]);
        world.gateway.issue(&Caller::default(), IssueRequest { values, ..request("+41791234567") }).await
    };
    // ", your code is 123456." and the line of the app are 34 octets.
    issue(106).await.unwrap();
    let Err(GatewayError::TextTooLong(why)) = issue(107).await else { panic!("it was taken") };
    assert!(why.starts_with("the text has 141 octets"), "{why}");
}

/// A verification that an earlier version made ends rather than sends what nobody asked for.
#[tokio::test]
async fn a_source_that_is_not_certain_is_not_sent_again() {
    let world = World::new(1).await;
    let view = world.issue("+41791234567").await.unwrap();
    let key = Key::from_bytes([9; 32]);
    let injected = key.seal(&view.id.to_bytes(), "123456\u{1f}\u{1f}a\u{1f}x\u{1f}b".as_bytes());
    let put = move |tx: &mut crate::store::Tx<'_>| {
        let v = crate::store::Records::verification(tx, view.id).unwrap().unwrap();
        tx.put_verification(&crate::otp::Verification { sealed: Some(injected), ..v }).unwrap();
    };
    world.store.transact(put).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    let refused = world.gateway.resend(&Caller::default(), view.id, None).await.unwrap_err();
    assert!(matches!(refused, GatewayError::Conflict(_)), "{refused}");
}
