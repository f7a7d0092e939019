use super::*;
use crate::contract::{ClientEvent, ErrorCode};

const MESSAGE: Action<'_> = Action::Event(Some(ClientEvent::SendMessage));
const LOOK: Action<'_> = Action::Request { method: "GET", route: "/api/users/me" };
const POST: Action<'_> = Action::Request { method: "POST", route: "/api/chat/messages" };

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
    let (_, charge) = Limits::observe(limits.charge(LOOK, user)).await;
    let quota = Quota { limit: 100, remaining: 99, reset: MINUTE };
    assert_eq!(charge, Some(Charge { quota, is_granted: true }));
    for _ in 0..99 {
        limits.charge(LOOK, user).await.unwrap();
    }
    let (refusal, charge) = Limits::observe(limits.charge(LOOK, user)).await;
    assert!(refused(&refusal));
    assert_eq!(charge.map(|charge| (charge.quota.remaining, charge.is_granted)), Some((0, false)));
    assert!(limits.charge(LOOK, other).await.is_ok());
    assert_eq!(Limits::observe(async {}).await.1, None);
}

#[tokio::test]
async fn the_thirty_first_message_is_refused() {
    let limits = limits();
    let user = UserId::new();
    for _ in 0..30 {
        assert!(limits.charge(MESSAGE, user).await.is_ok());
    }
    assert!(refused(&limits.charge(MESSAGE, user).await));
    assert!(limits.charge(MESSAGE, UserId::new()).await.is_ok());
}

#[tokio::test]
async fn switched_off_they_refuse_nothing() {
    let mut config = Config::defaults();
    config.limits.enabled = false;
    let limits = Limits::new(&config, None);
    let (address, user) = (IpAddr::from([192, 0, 2, 1]), UserId::new());
    for _ in 0..1000 {
        assert!(tries(&limits, "192.0.2.1", "ada", Err(WRONG)).await && limits.charge(MESSAGE, user).await.is_ok());
        assert!(limits.handshake(address).is_ok());
        assert!(limits.charge(POST, user).await.is_ok());
        assert_eq!(limits.take_up_to(Budget::Missed, user, 1_000_000).await, 1_000_000);
    }
}

#[tokio::test]
async fn a_message_over_rest_costs_a_request_and_a_message() {
    let limits = limits();
    let user = UserId::new();
    for _ in 0..30 {
        limits.charge(POST, user).await.unwrap();
    }
    assert!(refused(&limits.charge(POST, user).await));
    assert!(refused(&limits.charge(MESSAGE, user).await), "one budget for both transports");
    assert!(limits.charge(LOOK, user).await.is_ok());
}

#[tokio::test]
async fn every_event_is_refused_in_the_end() {
    let events = ClientEvent::ALL.iter().copied().map(Some).chain([None]);
    for event in events {
        let (limits, user) = (limits(), UserId::new());
        let mut tries = 0;
        while limits.charge(Action::Event(event), user).await.is_ok() {
            tries += 1;
            assert!(tries < 10_000, "{event:?} costs nothing");
        }
    }
}

#[tokio::test]
async fn what_was_not_needed_is_given_back() {
    let limits = limits();
    let user = UserId::new();
    assert_eq!(limits.take_up_to(Budget::Missed, user, 15_000).await, 15_000);
    assert!(refused(&limits.charge(Action::Missed(6_000), user).await));
    limits.refund(Budget::Missed, user, 14_000).await;
    assert!(limits.charge(Action::Missed(19_000), user).await.is_ok());
    for _ in 0..100 {
        limits.charge(LOOK, user).await.unwrap();
    }
    limits.refund(Budget::Requests, user, 1).await;
    assert!(limits.charge(LOOK, user).await.is_ok());
    assert!(refused(&limits.charge(LOOK, user).await));
}
