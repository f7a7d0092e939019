use super::*;
use crate::contract::ErrorCode;

fn limits() -> Limits {
    Limits::new(&Config::defaults(), None)
}

fn refused<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::RateLimited { retry_after }) if !retry_after.is_zero())
}

const WRONG: Error = Error::Refused(ErrorCode::InvalidCredentials, "wrong");

/// Tries to log in from an address; answers whether that was let through.
async fn tries(limits: &Limits, address: &str, account: &str, outcome: Result<()>) -> bool {
    let Ok(mut counted) = limits.attempt(Attempt::LogIn, address.parse().unwrap()).await else { return false };
    match counted.on(account).await {
        Ok(None) => {
            let _ = counted.end(outcome).await;
            true
        }
        Ok(Some(_)) | Err(_) => false,
    }
}

#[tokio::test]
async fn a_guesser_uses_up_nothing_of_the_owner() {
    let limits = limits();
    for _ in 0..5 {
        assert!(tries(&limits, "192.0.2.1", "ada@example.com", Err(WRONG)).await);
    }
    assert!(!tries(&limits, "192.0.2.1", " ADA@example.com", Err(WRONG)).await, "a sixth for the account");
    assert!(tries(&limits, "192.0.2.2", "ada@example.com", Ok(())).await, "the owner, elsewhere");
    assert!(limits.attempt(Attempt::Register, "192.0.2.1".parse().unwrap()).await.is_ok(), "counted by itself");
}

#[tokio::test]
async fn many_sign_in_from_one_address_and_few_guess_there() {
    let limits = limits();
    for number in 0..30 {
        assert!(tries(&limits, "192.0.2.1", &format!("guest{number}"), Ok(())).await, "{number}");
    }
    assert!(!tries(&limits, "192.0.2.1", "guest30", Ok(())).await, "a thirty-first");
    for number in 0..6 {
        assert!(tries(&limits, "192.0.2.2", &format!("guest{number}"), Err(WRONG)).await, "{number}");
    }
    assert!(!tries(&limits, "192.0.2.2", "guest6", Ok(())).await, "after six wrong ones");
}

#[tokio::test]
async fn an_account_is_tried_thirty_times_from_everywhere_together() {
    let limits = limits();
    for number in 0..30 {
        assert!(tries(&limits, &format!("192.0.2.{number}"), "ada", Ok(())).await, "what succeeds is not counted");
    }
    for number in 0..30 {
        assert!(tries(&limits, &format!("198.51.100.{number}"), "ada", Err(WRONG)).await, "{number}");
    }
    assert!(!tries(&limits, "203.0.113.1", "ada", Err(WRONG)).await, "a thirty-first wrong one");
    assert!(tries(&limits, "203.0.113.1", "bob", Err(WRONG)).await, "for another account");
}

#[tokio::test]
async fn one_ipv6_network_is_one_address() {
    let limits = limits();
    for host in 0..6 {
        assert!(tries(&limits, &format!("2001:db8::{host}"), &format!("guest{host}"), Err(WRONG)).await);
    }
    assert!(!tries(&limits, "2001:db8::ffff:0:0:1", "ada", Err(WRONG)).await);
    assert!(tries(&limits, "2001:db8:0:1::1", "ada", Err(WRONG)).await);
    assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
}

#[tokio::test]
async fn a_request_knows_what_it_was_charged() {
    let limits = limits();
    let (user, other) = (UserId::new(), UserId::new());
    let (_, quota) = Limits::observe(limits.rest(user)).await;
    assert_eq!(quota, Some(Quota { limit: 100, remaining: 99, reset: MINUTE }));
    for _ in 0..99 {
        limits.rest(user).await.unwrap();
    }
    let (refusal, quota) = Limits::observe(limits.rest(user)).await;
    assert!(refused(&refusal));
    assert_eq!(quota.map(|quota| quota.remaining), Some(0));
    assert!(limits.rest(other).await.is_ok());
    assert_eq!(Limits::observe(async {}).await.1, None);
}

#[tokio::test]
async fn the_thirty_first_message_is_refused() {
    let limits = limits();
    let user = UserId::new();
    for _ in 0..30 {
        assert!(limits.message(user).await.is_ok());
    }
    assert!(refused(&limits.message(user).await));
    assert!(limits.message(UserId::new()).await.is_ok());
}

#[tokio::test]
async fn switched_off_they_refuse_nothing() {
    let mut config = Config::defaults();
    config.limits.enabled = false;
    let limits = Limits::new(&config, None);
    let (address, user) = (IpAddr::from([192, 0, 2, 1]), UserId::new());
    for _ in 0..1000 {
        assert!(tries(&limits, "192.0.2.1", "ada", Err(WRONG)).await && limits.message(user).await.is_ok());
        assert!(limits.handshake(address).is_ok());
        assert_eq!(limits.rest(user).await.unwrap(), None);
    }
}
