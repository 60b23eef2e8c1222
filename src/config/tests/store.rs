//! `[store]`.

use super::super::Store;
use super::{faults, parse};

fn fault(text: &str) -> String {
    faults(text).join("\n")
}

#[test]
fn the_store_is_in_the_state_folder_or_in_a_database() {
    assert_eq!(parse("").unwrap().store, Store::Sled);
    assert_eq!(parse("[store]\nengine = \"sled\"").unwrap().store, Store::Sled);
    let text =
        "[store]\nengine = \"postgres\"\nurl = \"postgres:///smsotp?host=/run/postgresql&user=smsotpd\"\n";
    let Store::Postgres { url, host } = parse(text).unwrap().store else { panic!("it is a database") };
    assert_eq!(url.to_string(), "smsotp at /run/postgresql");
    assert!(!host.is_empty(), "the machine's name");
    let named = parse(&format!("{text}host = \"attic\"")).unwrap();
    assert_eq!(named.gateway.host.as_deref(), Some("attic"));
}

#[test]
fn a_store_with_a_fault_is_told_without_its_password() {
    assert!(fault("[store]\nengine = \"postgres\"").contains("needs a url"));
    assert!(fault("[store]\nurl = \"mysql://h/d\"").contains("store.url"));
    assert!(fault("[store]\nengine = \"mysql\"").contains("store.engine"));
    let wrong = fault("[store]\nengine = \"postgres\"\nurl = \"postgres://a:hush@h:port/d\"");
    assert!(wrong.contains("store.url") && !wrong.contains("hush"), "{wrong}");
}
