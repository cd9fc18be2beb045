use super::*;
use crate::{
    domain::{
        UnixMillis,
        account::Account,
        api_key::{Permission, Plan},
        ids::OwnerId,
        scope::Scope,
        token::TokenState,
        user::SetupCode,
    },
    protocol::CloseReason,
    store::memory::MemoryStore,
};

async fn access() -> Access {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    Access::open(store, [7; 32], Clock::start(), Arc::new(Ids::default())).await.unwrap()
}

fn account(login: u64) -> Account {
    Account::new(login, "Demo-Server").unwrap()
}

#[tokio::test]
async fn a_token_locks_to_its_first_account_and_refuses_another() {
    let access = access().await;
    let (token, secret) = access.mint_token("VPS", OwnerId::SELF, "test").await.unwrap();
    assert_eq!(access.present_token(secret.reveal()).unwrap().id, token.id);
    access.admit(token.id, &account(1001), 0).await.unwrap();
    access.admit(token.id, &account(1001), 0).await.unwrap();
    assert!(matches!(access.admit(token.id, &account(1002), 0).await, Err(AccessError::AccountMismatch)));
    let elsewhere = Account::new(1001, "Other-Server").unwrap();
    assert!(matches!(access.admit(token.id, &elsewhere, 0).await, Err(AccessError::AccountMismatch)));
}

#[tokio::test]
async fn of_fifty_accounts_that_race_for_a_token_one_gets_it() {
    let access = access().await;
    let (token, _) = access.mint_token("", OwnerId::SELF, "test").await.unwrap();
    let tries = (1..=50).map(|login| {
        let (access, id) = (access.clone(), token.id);
        async move { access.admit(id, &account(login), 0).await.is_ok() }
    });
    let won = futures_util::future::join_all(tries).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_and_for_good() {
    let access = access().await;
    let (token, secret) = access.mint_token("", OwnerId::SELF, "test").await.unwrap();
    access.admit(token.id, &account(1), 0).await.unwrap();
    assert_eq!(access.recheck(token.id, &account(1)), Ok(()));
    access.revoke_token(token.id, "test").await.unwrap();
    assert!(matches!(access.present_token(secret.reveal()), Err(AccessError::Revoked)));
    assert_eq!(access.recheck(token.id, &account(1)), Err(CloseReason::TokenRevoked));
    assert!(matches!(access.admit(token.id, &account(1), 0).await, Err(AccessError::Revoked)));
}

#[tokio::test]
async fn a_disconnected_token_is_pending_again_and_takes_another_account() {
    let access = access().await;
    let (token, _) = access.mint_token("", OwnerId::SELF, "test").await.unwrap();
    access.admit(token.id, &account(1), 0).await.unwrap();
    let free = access.unlock_token(token.id, History::Keep, "history kept", "test").await.unwrap();
    assert_eq!(free.state(access.inner.clock.wall(), false), TokenState::Pending);
    assert_eq!(access.recheck(token.id, &account(1)), Err(CloseReason::Disconnected));
    assert!(matches!(access.unlock_token(token.id, History::Keep, "history kept", "test").await, Err(AccessError::NotLocked)));
    access.admit(token.id, &account(2), 0).await.unwrap();
}

#[tokio::test]
async fn rotation_keeps_the_lock_and_ends_the_old_token_after_the_overlap() {
    let access = access().await;
    let (token, old) = access.mint_token("VPS", OwnerId::SELF, "test").await.unwrap();
    access.admit(token.id, &account(1), 0).await.unwrap();
    let (successor, new) = access.rotate_token(token.id, Duration::from_secs(3600), "test").await.unwrap();
    assert_eq!((successor.name.as_str(), &successor.lock.as_ref().unwrap().account), ("VPS", &account(1)));
    assert!(access.present_token(old.reveal()).is_ok() && access.present_token(new.reveal()).is_ok());
    let (_, last) = access.rotate_token(successor.id, Duration::ZERO, "test").await.unwrap();
    assert!(matches!(access.present_token(new.reveal()), Err(AccessError::Expired)));
    assert!(access.present_token(last.reveal()).is_ok());
}

#[tokio::test]
async fn a_token_is_no_key_and_a_key_is_no_token() {
    let access = access().await;
    let (_, token) = access.mint_token("", OwnerId::SELF, "test").await.unwrap();
    let (_, key) = access.mint_key(NewKey::admin("x"), OwnerId::SELF, "test").await.unwrap();
    assert!(matches!(access.present_key(token.reveal()), Err(AccessError::Unknown)));
    assert!(matches!(access.present_token(key.reveal()), Err(AccessError::Unknown)));
}

#[tokio::test]
async fn the_first_start_makes_one_admin_key_and_a_preset_is_taken_once() {
    let access = access().await;
    assert!(access.ensure_admin(None).await.unwrap().is_some());
    assert!(access.ensure_admin(None).await.unwrap().is_none());
    let preset = Secret::generate(secret::KEY_LIVE).unwrap();
    access.ensure_admin(Some(preset.reveal())).await.unwrap();
    access.ensure_admin(Some(preset.reveal())).await.unwrap();
    assert_eq!(access.keys().len(), 2);
    let key = access.present_key(preset.reveal()).unwrap();
    assert!(key.may(Permission::Admin));
    access.revoke_key(key.id, "test").await.unwrap();
    assert!(matches!(access.ensure_admin(Some(preset.reveal())).await, Err(AccessError::Revoked)));
    assert!(matches!(access.ensure_admin(Some("sk_live_short")).await, Err(AccessError::Unknown)));
}

#[tokio::test]
async fn tokens_and_keys_are_there_again_after_a_restart() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let open = || Access::open(Arc::clone(&store), [7; 32], Clock::start(), Arc::new(Ids::default()));
    let first = open().await.unwrap();
    let (token, secret) = first.mint_token("VPS", OwnerId::SELF, "test").await.unwrap();
    first.admit(token.id, &account(1), 0).await.unwrap();
    let second = open().await.unwrap();
    assert_eq!(second.present_token(secret.reveal()).unwrap().lock.as_ref().unwrap().account, account(1));
    let other_pepper = Access::open(store, [8; 32], Clock::start(), Arc::new(Ids::default())).await.unwrap();
    assert!(matches!(other_pepper.present_token(secret.reveal()), Err(AccessError::Unknown)));
}

use super::secret::Secret;

#[tokio::test]
async fn a_key_and_its_successor_change_in_one_write() {
    let store = Arc::new(MemoryStore::default());
    let access = Access::open(store.clone(), [1; 32], Clock::start(), Arc::new(Ids::default())).await.unwrap();
    let (old, _) = access.mint_key(NewKey::admin("bot"), OwnerId::SELF, "test").await.unwrap();
    let mut changes = store.changes();
    let (successor, _) = access.rotate_key(old.id, Duration::from_secs(5), "test").await.unwrap();
    let written = changes.try_recv().unwrap().keys;
    for key in [records::api_key(old.id), records::api_key(successor.id)] {
        assert!(written.contains(&key), "{written:?}");
    }
    assert!(changes.try_recv().is_err(), "and in no second one");
    assert_eq!((successor.line(), access.line_of(successor.id)), (old.id, old.id));
    let again = Access::open(store, [1; 32], Clock::start(), Arc::new(Ids::default())).await.unwrap();
    assert_eq!(again.line_of(successor.id), old.id, "it is on the disk");
    access.revoke_key(old.id, "test").await.unwrap();
    assert!(matches!(access.rotate_key(old.id, Duration::ZERO, "test").await, Err(AccessError::Revoked)));
}

/// An API key as a hub wrote it before keys had plans and scopes: MessagePack, in hexadecimal.
const OLD_KEY: &str = concat!(
    "8da26964c410000102030405060708090a0b0c0d0e0fa56f776e6572c41000000000000000000000000000000000a46e616d65a86772696420626f74",
    "a6707265666978ac736b5f6c6976655f61626364a6646967657374c42007070707070707070707070707070707070707070707070707070707070707",
    "07a57265616368a46c697665ab7065726d697373696f6e7392a9726561643a62617273ab74726164653a7772697465aa637265617465645f6174cf00",
    "00019b76daa800aa657870697265735f6174c0aa7265766f6b65645f6174c0a9737563636573736f72c0a56669727374c0a66c696d69747381b06d61",
    "785f6f726465725f766f6c756d65cb3fe0000000000000",
);

#[tokio::test]
async fn a_key_of_an_older_hub_opens_with_the_plan_and_reach_that_it_had() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let value: Vec<u8> = (0..OLD_KEY.len()).step_by(2).map(|at| u8::from_str_radix(&OLD_KEY[at..at + 2], 16).unwrap()).collect();
    let id = crate::domain::ids::KeyId::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap()));
    store.commit(Batch::admission().put(records::api_key(id), value)).await.unwrap();
    let access = Access::open(store, [7; 32], Clock::start(), Arc::new(Ids::default())).await.unwrap();
    let key = access.key(id).unwrap();
    assert_eq!((key.name.as_str(), key.limits.max_order_volume), ("grid bot", Some(0.5)));
    assert_eq!((key.plan, &key.scope), (Plan::Unlimited, &Scope::default()));
    assert!(key.may(Permission::TradeWrite) && key.allows_symbol("XAUUSD") && key.allows_account(&account(1)));
}

#[tokio::test]
async fn whoever_waits_for_a_change_of_keys_is_told_of_each_and_finds_it_made() {
    let access = access().await;
    let mut changed = access.rights_changed();
    let (key, _) = access.mint_key(NewKey::admin("x"), OwnerId::SELF, "test").await.unwrap();
    changed.changed().await.unwrap();
    access.revoke_key(key.id, "test").await.unwrap();
    changed.changed().await.unwrap();
    assert!(access.key(key.id).unwrap().revoked_at.is_some());
    assert!(!changed.has_changed().unwrap());
}

#[tokio::test]
async fn a_login_ends_after_its_time_however_much_it_is_used_and_is_gone_for_good_when_it_was_ended() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let open_with = async |absolute: u64, idle: u64| {
        let (absolute, idle) = (std::time::Duration::from_secs(absolute), std::time::Duration::from_secs(idle));
        let settings = config::Sessions { absolute, idle, ..config::Sessions::default() };
        Access::open_with(Arc::clone(&store), [7; 32], Clock::start(), Arc::new(Ids::default()), settings).await.unwrap()
    };
    let open = async |absolute: u64| open_with(absolute, 1_800).await;
    let access = open(3_600).await;
    let code = access.ensure_setup().await.unwrap().unwrap();
    let who = Newcomer { login: Some("anna".to_owned()), name: None };
    let password = Password::new("tall trees stand in fog".to_owned());
    access.set_up(code.reveal(), &who, &password).await.unwrap();
    let log_in = async |access: &Access| access.log_in("Anna", &password, [127, 0, 0, 1].into(), "a test").await.unwrap();
    let (live, user, secret) = log_in(&access).await;
    assert_eq!(access.present_login(secret.reveal()).unwrap().1.id, user.id);
    assert!(access.login_stands(&live) && access.confirmed_until(&live).is_some());
    // After a restart it is there, and the password counts as given no more.
    let again = open(3_600).await;
    let (found, _) = again.present_login(secret.reveal()).unwrap();
    assert_eq!((found.record.id, again.confirmed_until(&found)), (live.record.id, None));
    again.end_login(user.id, found.record.id, "test").await.unwrap();
    assert!(matches!(again.present_login(secret.reveal()), Err(AccessError::Unknown)));
    assert!(matches!(open(3_600).await.present_login(secret.reveal()), Err(AccessError::Unknown)));
    for short in [open_with(0, 1_800).await, open_with(3_600, 0).await] {
        let (live, _, secret) = log_in(&short).await;
        assert!(matches!(short.present_login(secret.reveal()), Err(AccessError::Expired)));
        assert!(!short.login_stands(&live), "nor for a trade that waits to be sent");
    }
}

#[tokio::test]
async fn what_a_user_owns_stops_with_them_and_the_hubs_own_goes_on() {
    let access = access().await;
    let owner = users::NewUser {
        login: "anna".into(),
        name: String::new(),
        role: crate::domain::user::Role::Owner,
        tenant: OwnerId::SELF,
    };
    let (first, _) = access.create_user(owner.clone(), "test").await.unwrap();
    let (second, _) = access.create_user(users::NewUser { login: "bert".into(), ..owner }, "test").await.unwrap();
    assert_eq!((first.tenant, second.tenant), (OwnerId::SELF, second.id.tenant()));
    let (key, secret) = access.mint_key(NewKey::admin("bot"), second.tenant, "test").await.unwrap();
    let (token, token_secret) = access.mint_token("", second.tenant, "test").await.unwrap();
    access.admit(token.id, &account(1), 0).await.unwrap();
    let line = second.principal().id;
    assert!(access.key_may(key.id, Permission::TradeWrite) && access.key_may(line, Permission::TradeWrite));
    access.disable_user(second.id, true, "test").await.unwrap();
    assert!(!access.key_may(key.id, Permission::TradeWrite) && !access.key_may(line, Permission::TradeWrite));
    assert!(matches!(access.present_key(secret.reveal()), Err(AccessError::OwnerDisabled)));
    assert!(matches!(access.present_token(token_secret.reveal()), Err(AccessError::OwnerDisabled)));
    assert_eq!(access.recheck(token.id, &account(1)), Err(CloseReason::OwnerDisabled));
    access.disable_user(second.id, false, "test").await.unwrap();
    assert_eq!(access.recheck(token.id, &account(1)), Ok(()));
    access.delete_user(second.id, "test").await.unwrap();
    assert_eq!(access.recheck(token.id, &account(1)), Err(CloseReason::TokenRevoked));
    // A tenant that no user stands for is nobody's.
    let (_, stray) = access.mint_key(NewKey::admin("x"), OwnerId::from_bytes([9; 16]), "test").await.unwrap();
    assert!(access.present_key(stray.reveal()).is_err());
    access.disable_user(first.id, true, "test").await.unwrap();
    let (_, own) = access.mint_key(NewKey::admin("x"), OwnerId::SELF, "test").await.unwrap();
    assert!(access.present_key(own.reveal()).is_ok());
}

/// A user with this password, of a hub that has no other.
async fn someone(access: &Access, password: &Password) -> Arc<User> {
    let code = access.ensure_setup().await.unwrap().unwrap();
    let who = Newcomer { login: Some("anna".to_owned()), name: None };
    access.set_up(code.reveal(), &who, password).await.unwrap()
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_login_that_is_being_made_when_the_password_is_reset_does_not_outlive_it() {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::FutureExt as _;
    let (access, password) = (access().await, Password::new("a heron by the river".to_owned()));
    let user = someone(&access, &password).await;
    let (done, resetting, id) = (Arc::new(AtomicBool::new(false)), access.clone(), user.id);
    let reset = Arc::clone(&done);
    // Between the disk and the memory.
    fail::cfg_callback("login_committed", move || {
        reset.store(resetting.reset_user(id, "test").now_or_never().is_some(), Ordering::SeqCst);
    })
    .unwrap();
    let (live, _, secret) = access.log_in("anna", &password, [127, 0, 0, 1].into(), "a test").await.unwrap();
    fail::remove("login_committed");
    if !done.load(Ordering::SeqCst) {
        access.reset_user(id, "test").await.unwrap();
    }
    assert!(access.present_login(secret.reveal()).is_err() && !access.login_stands(&live));
}

#[tokio::test]
async fn whoever_acts_for_long_hears_of_changed_keys_and_users_and_of_ended_logins() {
    let (access, password) = (access().await, Password::new("a heron by the river".to_owned()));
    let user = someone(&access, &password).await;
    let key = access.mint_key(NewKey::admin("a bot"), OwnerId::SELF, "test").await.unwrap().0;
    let (live, ..) = access.log_in("anna", &password, [127, 0, 0, 1].into(), "a test").await.unwrap();
    let mut rights = access.rights_changed();
    let mut heard = || std::mem::replace(&mut rights, access.rights_changed()).has_changed().unwrap();
    assert!(!heard());
    access.end_login(user.id, live.record.id, "test").await.unwrap();
    assert!(heard(), "of a login");
    access.disable_user(user.id, true, "test").await.unwrap();
    assert!(heard(), "of a user");
    access.revoke_key(key.id, "test").await.unwrap();
    assert!(heard(), "of a key");
}

#[tokio::test]
async fn a_first_code_that_nobody_used_in_time_is_renewed_at_the_next_start() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let access = Access::open(Arc::clone(&store), [7; 32], Clock::start(), Arc::new(Ids::default())).await.unwrap();
    let first = access.ensure_setup().await.unwrap().unwrap();
    assert!(access.ensure_setup().await.unwrap().is_none(), "it is good for a day");
    let late = SetupCode { digest: access.digest(first.reveal()).to_vec(), expires_at: UnixMillis(1) };
    store.commit(Batch::outcome().put(records::FIRST_SETUP, records::encode(&late))).await.unwrap();
    let second = access.ensure_setup().await.unwrap().expect("another one");
    let (who, password) =
        (Newcomer { login: Some("anna".to_owned()), name: None }, Password::new("a heron by the river".to_owned()));
    assert!(access.set_up(first.reveal(), &who, &password).await.is_err());
    access.set_up(second.reveal(), &who, &password).await.unwrap();
}
