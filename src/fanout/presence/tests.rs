use std::time::Duration;

use futures_util::FutureExt;
use tokio::{task::unconstrained, time::timeout};

use crate::{
    app::App,
    cluster::bus::{Notice, Revoked},
    contract::UserId,
};

const DEADLINE: Duration = Duration::from_secs(10);

/// The first of them is noted, and nothing receives its notice.
#[tokio::test]
async fn who_comes_does_not_wait_until_others_were_told_of_somebody_else() {
    let (app, _inlet, tasks, _folder) = App::for_test(|_| ()).await;
    let _running = tasks.start();
    let notice = || Notice::Revoked { user_id: UserId::new(), sockets: Revoked::MostSilent };
    while unconstrained(app.bus.publish(notice())).now_or_never().is_some() {}
    for arrival in 0..3 {
        let arrived = timeout(DEADLINE, app.presences.arrive(UserId::new())).await;
        assert!(arrived.is_ok(), "arrival {arrival} waits");
    }
}
