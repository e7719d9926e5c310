//! What cannot work from the beginning ends the agent at once, with all that is wrong and what to do.

use std::net::{SocketAddr, TcpListener};

use prony_tests::{Agent, AgentBuilder, needs_agent, skip};

#[test]
fn every_error_of_a_configuration_is_named_with_its_fix() {
    if let Some(reason) = needs_agent() {
        return skip("configuration::every_error_of_a_configuration_is_named_with_its_fix", &reason);
    }
    let config = "[activity]\nwindw = '10ms'\nmax_consumers = 'many'\n[attribution]\npolicy = 'fair'\n\
                  [[source.esp32]]\naddress = 'meter'\nvolts = -5\n[sauce]\n";
    let ended = Agent::builder().config(config).arguments(["--window", "11s"]).run_to_its_end().unwrap();
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    let told = |words: &[&str]| {
        let found = ended.log.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no line has {words:?}:\n{}", ended.log);
    };
    told(&["prony.toml:2", "activity.windw", "did you mean `window`"]);
    told(&["prony.toml:3", "activity.max_consumers", "a whole number from 256 to 1048576"]);
    told(&["prony.toml:5", "attribution.policy", "'separate', 'proportional', 'equal'"]);
    told(&["prony.toml:6", "channel", "missing", "add"]);
    told(&["prony.toml:7", "address", "an IP address and a port"]);
    told(&["prony.toml:8", "volts", "a number above 0"]);
    told(&["prony.toml:9", "unknown key `sauce`", "did you mean `source`"]);
    told(&["--window", "activity.window", "11s", "a duration from '1ms' to '10s'"]);
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_the_flag() {
    if let Some(reason) = needs_agent() {
        return skip("configuration::a_port_that_is_taken_is_an_error_that_names_the_flag", &reason);
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    refuses(Agent::builder().metrics_at(address), address, "--metrics-listen");
    refuses(Agent::builder().grpc_at(address), address, "--grpc-listen");
}

fn refuses(agent: AgentBuilder, address: SocketAddr, flag: &str) {
    let ended = agent.run_to_its_end().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    let last = ended.log.lines().last().unwrap_or_default();
    for words in ["prony: ", &address.to_string(), "in use", flag] {
        assert!(last.contains(words), "no {words} in: {last}");
    }
}
