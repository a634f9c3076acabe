//! Exploration pays where preferences drift: a small version of `benches/drift`.

#[path = "../../benches/drift/simulator.rs"]
#[expect(dead_code, reason = "the bench uses all of it")]
mod simulator;

use simulator::{Policy, Shop, click_rate};

#[test]
fn thompson_sampling_is_clicked_more_than_greed_where_preferences_drift() {
    let shop = Shop {
        things: 30,
        people: 60,
        hours: 240,
        visits: 15,
        slate: 3,
        drift: 0.12,
        half_life: 48.0,
    };
    let mean = |policy| (0..3).map(|seed| click_rate(shop, policy, seed)).sum::<f64>() / 3.0;
    let thompson = mean(Policy::Thompson);
    for greedy in [Policy::Greedy, Policy::Trending] {
        let rate = mean(greedy);
        assert!(thompson > 1.02 * rate, "{greedy:?}: {rate}, Thompson: {thompson}");
    }
    assert!(thompson < mean(Policy::Oracle));
    // The same seed, the same clicks.
    assert_eq!(click_rate(shop, Policy::Thompson, 1), click_rate(shop, Policy::Thompson, 1));
}
