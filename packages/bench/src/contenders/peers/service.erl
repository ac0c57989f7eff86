%% One service: it lives for as long as the process at the other end of its port.
-module(service).
-behaviour(gen_server).
-export([start_link/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).

start_link(Program) -> gen_server:start_link(?MODULE, Program, []).

init(Program) -> {ok, open_port({spawn_executable, Program}, [exit_status])}.

handle_call(_, _, Port) -> {reply, ok, Port}.

handle_cast(_, Port) -> {noreply, Port}.

handle_info({Port, {exit_status, _}}, Port) -> {stop, {shutdown, exited}, Port};
handle_info(_, Port) -> {noreply, Port}.
