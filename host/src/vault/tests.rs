use super::*;

const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const BASE64: &str = "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8=";
const OTHER: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

fn key(text: &str) -> MasterKey {
    MasterKey::parse(text).unwrap()
}

fn vault(current: &str) -> Vault {
    Vault::new(key(current), None)
}

fn secret(workspace: &str, name: &str) -> SecretId {
    SecretId { workspace: workspace.to_owned(), name: name.to_owned() }
}

fn sealed(vault: &Vault, secret: &SecretId, value: &str) -> Sealed {
    vault.seal(secret, value).unwrap().sealed
}

#[test]
fn a_key_is_32_bytes_in_hexadecimal_or_base64() {
    assert_eq!(key(HEX).bytes, key(&HEX.to_uppercase()).bytes);
    assert_eq!(key(HEX).bytes, key(BASE64).bytes);
    assert_eq!(key(HEX).id, key(BASE64).id);
    assert_ne!(key(HEX).id, key(OTHER).id);
    for wrong in [
        "",
        "00",
        &HEX[1..],
        &format!("{HEX}00"),
        &HEX.replace('f', "g"),
        &BASE64[4..],
        "a key of 32 bytes, in letters…",
    ] {
        assert!(MasterKey::parse(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn what_is_sealed_is_opened_and_sealed_differently_each_time() {
    let (vault, secret) = (vault(HEX), secret("default", "TOKEN"));
    for value in ["", "s", "hunter2 with ü and \n", &"x".repeat(64 << 10)] {
        let (first, second) = (sealed(&vault, &secret, value), sealed(&vault, &secret, value));
        assert_eq!(**vault.open(&secret, &first).unwrap(), *value);
        assert_eq!(**vault.open(&secret, &second).unwrap(), *value);
        assert_ne!(first.bytes, second.bytes, "a nonce of its own");
        assert_eq!(first.bytes.len(), 1 + 24 + value.len() + 16);
        assert!(
            value.is_empty()
                || value.len() < 8
                || !first.bytes.windows(value.len()).any(|part| part == value.as_bytes())
        );
    }
}

#[test]
fn a_changed_byte_or_a_cut_end_is_damage() {
    let (vault, secret) = (vault(HEX), secret("default", "TOKEN"));
    let whole = sealed(&vault, &secret, "hunter2");
    for place in 0..whole.bytes.len() {
        let mut changed = whole.clone();
        changed.bytes[place] ^= 1;
        assert!(matches!(vault.open(&secret, &changed), Err(OpenError::Damaged)), "byte {place}");
        let mut cut = whole.clone();
        cut.bytes.truncate(place);
        assert!(matches!(vault.open(&secret, &cut), Err(OpenError::Damaged)), "cut to {place}");
    }
    let mut longer = whole;
    longer.bytes.push(0);
    assert!(matches!(vault.open(&secret, &longer), Err(OpenError::Damaged)));
}

#[test]
fn what_was_sealed_for_one_name_opens_under_no_other() {
    let vault = vault(HEX);
    let sealed = sealed(&vault, &secret("ab", "c"), "hunter2");
    for (workspace, name) in [("ab", "d"), ("other", "c"), ("a", "bc"), ("abc", ""), ("c", "ab"), ("AB", "c")] {
        let opened = vault.open(&secret(workspace, name), &sealed);
        assert!(matches!(opened, Err(OpenError::Damaged)), "{workspace}/{name}");
    }
}

#[test]
fn another_key_is_told_apart_from_damage() {
    let secret = secret("default", "TOKEN");
    let sealed = sealed(&vault(HEX), &secret, "hunter2");
    let error = vault(OTHER).open(&secret, &sealed).unwrap_err();
    let (needed, held) = (key(HEX).id, key(OTHER).id);
    assert!(matches!(&error, OpenError::OtherKey { needed: id, .. } if *id == needed), "{error}");
    let said = error.to_string();
    for part in [needed.as_str(), held.as_str(), "LATCHWORK_SECRETS_PREVIOUS_KEY_FILE"] {
        assert!(said.contains(part), "{said}");
    }
    // A row that claims to be under a key that it is not under.
    let forged = Sealed { key: held, ..sealed };
    assert!(matches!(vault(OTHER).open(&secret, &forged), Err(OpenError::Damaged)));
}

#[test]
fn while_keys_are_changed_both_open_and_both_seal() {
    let secret = secret("default", "TOKEN");
    let (old, new) = (vault(HEX), vault(OTHER));
    let between = Vault::new(key(OTHER), Some(key(HEX)));
    let Sealing { sealed: under_new, before_rotation } = between.seal(&secret, "hunter2").unwrap();
    let under_old = before_rotation.unwrap();
    assert_eq!((&under_new.key, &under_old.key), (new.key().unwrap(), old.key().unwrap()));
    assert_eq!(between.previous_key(), Some(old.key().unwrap()));
    for (vault, sealed) in [(&between, &under_new), (&between, &under_old), (&old, &under_old), (&new, &under_new)] {
        assert_eq!(**vault.open(&secret, sealed).unwrap(), *"hunter2");
    }
    assert!(old.seal(&secret, "hunter2").unwrap().before_rotation.is_none());
}

#[test]
fn without_a_key_nothing_is_sealed_or_opened_and_the_mend_is_named() {
    let secret = secret("default", "TOKEN");
    let sealed = sealed(&vault(HEX), &secret, "hunter2");
    let none = Vault::default();
    for said in [none.seal(&secret, "x").unwrap_err().to_string(), none.open(&secret, &sealed).unwrap_err().to_string()]
    {
        assert!(said.contains("LATCHWORK_SECRETS_KEY_FILE") && said.contains("openssl rand -hex 32"), "{said}");
    }
}

#[test]
fn what_holds_a_key_does_not_show_it() {
    let between = Vault::new(key(HEX), Some(key(OTHER)));
    let shown = format!("{between:?} {:?}", key(HEX));
    assert!(shown.contains(between.key().unwrap().as_str()), "{shown}");
    for part in ["00112233", "ffeeddcc", "17, 34", "255, 238"] {
        assert!(!shown.contains(part), "{shown}");
    }
}
