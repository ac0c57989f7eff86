%% A supervisor of services as OTP's users write it: each is a gen_server that owns a port.
%% Without the log, which would tell of every end.
-module(services).
-behaviour(supervisor).
-export([start/0, init/1]).

start() ->
    Started = self(),
    %% A supervisor ends with the process that has started it, and that of `erl -s` ends at once.
    spawn(fun() -> serve(Started) end),
    receive ready -> ok end.

serve(Started) ->
    [Program, Count] = init:get_plain_arguments(),
    {ok, _} = supervisor:start_link({local, ?MODULE}, ?MODULE, {Program, list_to_integer(Count)}),
    Started ! ready,
    collect().

%% For who measures memory: a line asks for a garbage collection, a line answers.
collect() ->
    case io:get_line("") of
        Line when is_list(Line) ->
            lists:foreach(fun erlang:garbage_collect/1, processes()),
            io:put_chars("collected\n"),
            collect();
        _ ->
            receive never -> ok end
    end.

init({Program, Count}) ->
    Flags = #{strategy => one_for_one, intensity => 1000000, period => 1},
    Children = [#{id => Id, start => {service, start_link, [Program]}} || Id <- lists:seq(1, Count)],
    {ok, {Flags, Children}}.
