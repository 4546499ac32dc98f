//! Several tabs, one host over a real WebSocket, a real ShareDB server that is cut and restarted.

#[tokio::test]
async fn tabs_converge_with_a_real_server_that_restarts() {
    sharedb_proxy_tests::sim::real::converge().await;
}
