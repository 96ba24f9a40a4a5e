//! For any sequence of operations on a session and the clocks, the service agrees with a model of a
//! few lines.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    SetWall(i64),
    Login,
    Use { extend: bool },
    Logout,
    Reboot,
    KeyExpires,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop_oneof![Just(899), Just(900), 0..1000_u64].prop_map(Step::Pass),
        2 => prop_oneof![Just(-5), Just(-6), -2000..2000_i64].prop_map(Step::SetWall),
        3 => Just(Step::Login),
        6 => any::<bool>().prop_map(|extend| Step::Use { extend }),
        1 => Just(Step::Logout),
        1 => Just(Step::Reboot),
        1 => Just(Step::KeyExpires),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

/// The model of a session, in whole seconds.
#[derive(Clone, Copy)]
struct Model {
    created: (i64, i64),
    last: (i64, i64),
    /// After a reboot, a lost key or a crash.
    doomed: bool,
}

impl Model {
    fn is_live(self, (wall, boot): (i64, i64)) -> bool {
        !self.doomed
            && (0..900).contains(&(boot - self.last.1))
            && (-5..900).contains(&(wall - self.last.0))
            && boot - self.created.1 < 4 * 3600
            && wall - self.created.0 < 4 * 3600
    }
}

fn now(bench: &Bench) -> (i64, i64) {
    let machine = bench.clock.machine();
    let boot = i64::try_from(machine.boot.nanos()).unwrap();
    (
        machine.wall.unix_nanos() / 1_000_000_000,
        boot / 1_000_000_000,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_session_is_live_past_its_limits_and_no_end_is_lost(steps in steps()) {
        let bench = Bench::new();
        let mut model: Option<Model> = None;
        for step in steps {
            match step {
                Step::Pass(seconds) => bench.clock.advance(Duration::from_secs(seconds)),
                Step::SetWall(seconds) => bench.clock.set_wall(seconds),
                Step::Login => {
                    bench.create().unwrap();
                    let now = now(&bench);
                    model = Some(Model { created: now, last: now, doomed: false });
                }
                Step::Use { extend } => {
                    let now = now(&bench);
                    let live = model.is_some_and(|model| model.is_live(now));
                    prop_assert_eq!(bench.touch_as(touch(extend)).is_ok(), live);
                    match &mut model {
                        Some(model) if live && extend => model.last = now,
                        Some(_) if live => {}
                        _ => model = None,
                    }
                }
                Step::Logout => prop_assert_eq!(bench.terminate().unwrap(), model.take().is_some()),
                Step::Reboot | Step::KeyExpires | Step::Crash => {
                    let session = bench.status().session_id;
                    match step {
                        Step::Reboot => bench.clock.reboot(),
                        Step::KeyExpires => bench.keeper.forget(),
                        _ => bench.crashes.seen.lock().unwrap().extend(session),
                    }
                    if let Some(model) = &mut model {
                        model.doomed = true;
                    }
                }
            }
            let live = model.is_some_and(|model| model.is_live(now(&bench)));
            prop_assert_eq!(bench.is_active(), live, "after {:?}", step);
        }
        bench.terminate().unwrap();

        // Every created session ended once, and its end named it.
        let mut live = Vec::new();
        for (event, session) in bench.records() {
            if event == "SESSION_CREATED" {
                live.push(session);
            } else if ["SESSION_EXPIRED", "SESSION_TERMINATED", "SESSION_INVALID"]
                .iter()
                .any(|end| event.starts_with(end))
            {
                let at = live.iter().position(|&created| created == session);
                prop_assert!(at.is_some(), "{} of no session", event);
                live.remove(at.unwrap());
            }
        }
        prop_assert!(live.is_empty(), "never ended: {:?}", live);
    }
}
