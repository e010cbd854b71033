//! Keys that operators write, and secrets as rows hold them.

use crate::dice::Dice;
use crate::rounds::fuzz;
use crate::words;
use latchwork::domain::secret::{Sealed, SecretId};
use latchwork::vault::{MasterKey, Vault};

#[test]
fn keys_for_secrets() {
    fuzz("keys for secrets", |dice| {
        let text = dice.garbled(words::KEYS);
        if let Some(key) = MasterKey::parse(&text) {
            let again = MasterKey::parse(&text).expect("the same text");
            assert_eq!(key.id(), again.id());
            assert!(!text.contains(key.id().as_str()), "the id of a key tells nothing of it");
        }
    });
}

#[test]
fn sealed_secrets() {
    let vault = Vault::new(MasterKey::parse(words::KEYS[0]).unwrap(), None);
    fuzz("sealed secrets", move |dice| {
        let (secret, value) = (id(dice), dice.text(0..200));
        let sealed = vault.seal(&secret, &value).unwrap().sealed;
        assert_eq!(*vault.open(&secret, &sealed).unwrap(), value, "what was sealed is opened");
        let bytes = if dice.once_in(8) { dice.bytes(0..100) } else { dice.damaged(&sealed.bytes) };
        if bytes != sealed.bytes {
            let damaged = Sealed { key: sealed.key.clone(), bytes };
            assert!(vault.open(&secret, &damaged).is_err(), "what was tampered with is not");
        }
        let other = id(dice);
        assert_eq!(vault.open(&other, &sealed).is_ok(), other == secret, "nor under another name");
    });
}

fn id(dice: &mut Dice) -> SecretId {
    SecretId { workspace: dice.text(1..9), name: dice.text(1..9) }
}
