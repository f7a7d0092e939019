use super::*;

fn limits() -> Limits {
    Limits::new(&Config::defaults(), None)
}

fn refused<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::RateLimited { retry_after }) if !retry_after.is_zero())
}

#[tokio::test]
async fn logging_in_is_limited_by_address_and_by_account() {
    let limits = limits();
    let address = |last: u8| IpAddr::from([192, 0, 2, last]);
    for _ in 0..5 {
        assert!(limits.auth(Attempt::LogIn, address(1), Some("ada@example.com")).await.is_ok());
    }
    assert!(refused(&limits.auth(Attempt::LogIn, address(1), None).await), "a sixth from the address");
    assert!(
        refused(&limits.auth(Attempt::LogIn, address(2), Some(" ADA@example.com")).await),
        "a sixth for the account"
    );
    assert!(limits.auth(Attempt::LogIn, address(2), Some("bob@example.com")).await.is_ok());
    assert!(limits.auth(Attempt::Register, address(1), Some("ada@example.com")).await.is_ok(), "counted by itself");
}

#[tokio::test]
async fn one_ipv6_network_is_one_address() {
    let limits = limits();
    for host in 0..5 {
        assert!(limits.auth(Attempt::LogIn, format!("2001:db8::{host}").parse().unwrap(), None).await.is_ok());
    }
    assert!(refused(&limits.auth(Attempt::LogIn, "2001:db8::ffff:0:0:1".parse().unwrap(), None).await));
    assert!(limits.auth(Attempt::LogIn, "2001:db8:0:1::1".parse().unwrap(), None).await.is_ok());
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
        assert!(limits.auth(Attempt::LogIn, address, Some("ada")).await.is_ok() && limits.message(user).await.is_ok());
        assert!(limits.handshake(address).is_ok());
        assert_eq!(limits.rest(user).await.unwrap(), None);
    }
}
