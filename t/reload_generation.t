#!/usr/bin/perl

# An old worker that has not left after a reload still looks at the files of its
# configuration.  What it finds there is no news of the new one's keys.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Process qw(children slurp);
use Katalo::Upstream;

use constant WORKERS => 2;

my @names = qw(emptied broken replaced);
my %key = map { $_ => new_key($_) } qw(one two three);
my $again = new_key('two');
my $up = Katalo::Upstream->new(keys => [values %key]);


sub http {
    my ($n) = @_;

    return <<"EOC" . join('', map { <<"EOL" } @names) . '}';
    katalo_key emptied file:%KEY:emptied$n% check=100ms;
    katalo_key broken file:%KEY:broken$n% check=100ms;
    katalo_key replaced file:%KEY:replaced$n% check=100ms;
    proxy_read_timeout 1h;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status json; }
EOC
        location /$_/ {
            katalo_bearer $_;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
EOL
}


my $gateway = Katalo::Test->new(
    upstream => $up, workers => WORKERS, http => http(1),
    keys => { map { ("${_}1" => $key{one}, "${_}2" => $key{two}) } @names }
    )->start;


sub status {
    my ($name) = @_;
    my ($row) = grep { $_->{key} eq $name } @{ $gateway->status->{keys} };

    return $row;
}


sub ask { return $gateway->request('GET', "/$_[0]/usage/summary")->status }


# Written long ago, so that whoever looks takes it at once.
sub set_old_file {
    my ($name, $content) = @_;

    $gateway->set_key($name => $content);

    return utime 1, 1, $gateway->prefix . "/keys/$name";
}


my @held;


# Gives each of these workers a request that hangs: it cannot leave before.
sub hold {
    my @workers = @_;

    for my $worker (@workers) {
        my @others = grep { $_ != $worker } @workers;
        my $there = grep { /x-hang/ } $up->targets;

        kill 'STOP', @others;
        wait_until(sub { !grep { slurp("/proc/$_/stat") !~ /\) T / } @others })
            or die "a worker does not stop\n";
        push @held, $gateway->connection;
        $held[-1]->write("GET /broken/x-hang HTTP/1.1\r\nHost: x\r\n\r\n");
        wait_until(sub { $there < grep { /x-hang/ } $up->targets })
            or die "a request does not arrive\n";
        kill 'CONT', @others;
    }

    return;
}


# Old workers sleep while the configuration changes; returns them.
sub reload_asleep {
    my ($http) = @_;
    my @old = $gateway->worker_pids;
    my %old = map { $_ => 1 } @old;

    hold(@old);
    kill 'STOP', @old;
    $gateway->configure(http => $http);
    $gateway->signal('HUP');

    wait_until(sub {
        my @new = grep { !$old{$_} } $gateway->worker_pids;
        return @new == WORKERS;
    }) or die "no new workers\n";

    return @old;
}


# They go on, and may leave when each of them has told of what it has seen.
sub wake {
    my ($old, @said) = @_;

    kill 'CONT', @$old;

    for my $said (@said) {
        ok($gateway->wait_for_log(qr/(?:$said.*?){@{[ WORKERS ]}}/s),
           'old workers have seen their files');
    }

    $_->close for splice @held;

    return wait_until(sub {
        my %now = map { $_ => 1 } children($gateway->master_pid);
        return !grep { $now{$_} } @$old;
    }) || die "old workers stay\n";
}


my @old = reload_asleep(http(2));

is(ask($_), 200, "$_: new workers serve") for @names;

my %rotations = map { $_ => status($_)->{rotations} } @names;

set_old_file(emptied1 => '');
set_old_file(broken1 => "no key\n");
set_old_file(replaced1 => $key{three});

my @said = (qr/"emptied" id "one" is revoked/, qr/"broken".* holds no key/,
            qr/"replaced" is rotated from id "one" to "three"/);

$gateway->mark_log;
wake(\@old, @said);

for my $said (@said) {
    is(() = $gateway->error_log =~ /$said/g, WORKERS, 'and each says so once');
}

is(status('emptied')->{usable}, 1, 'an old file that is empty revokes nothing');
is(status('broken')->{read_failures}, 0, 'one that is bad is no failure');
is(status('broken')->{source_ok}, 1, 'nor is the new one bad');
is(status($_)->{rotations}, $rotations{$_}, "$_: no rotation") for @names;

is_deeply([map { "$_->{state} $_->{key_id}" } @{ status('replaced')->{ids} }],
          ['current two', 'previous three', 'previous one'],
          'the key that is used is the current one, and comes first');


# What comes later, and finds its file bad, relies on the zone.

for my $name (qw(emptied replaced)) {
    $gateway->mark_log;
    $gateway->set_key("${name}2" => "no key\n");
    ok($gateway->wait_for_log(qr/(?:"$name".* holds no key.*?){2}/s),
       "$name: a bad file");
}

$gateway->kill_worker for 1 .. WORKERS;
is(ask($_), 200, "$_: what comes in a killed worker's place serves")
    for qw(emptied replaced);


# An old worker may not say either that the new file is good.

set_old_file("${_}1" => $key{one}) for @names;
@old = reload_asleep(http(1));
set_old_file(emptied2 => $key{two});
$gateway->mark_log;
$gateway->set_key(emptied1 => "no key\n");
ok($gateway->wait_for_log(qr/(?:"emptied".* holds no key.*?){2}/s),
   'a bad new file');
wake(\@old, qr/"emptied": "\S+emptied2" is usable again/);
is(status('emptied')->{source_ok}, 0, 'a good old one is not that of the key');


# The new file has another secret of the same id; Katalo rejects the old one,
# which a request of an old worker has.

for my $name (@names) {
    set_old_file("$name$_" => $key{two}) for 1 .. 2;
}

$gateway->reload(http => http(1), gone => 1);

my $client = $gateway->connection;
kill 'STOP', $up->pid;
$client->write("GET /emptied/usage/summary HTTP/1.1\r\nHost: x\r\n\r\n");
wait_until(sub { status('emptied')->{in_flight} }) or die "none in flight\n";
set_old_file(emptied2 => $again);
$gateway->reload(http => http(2));
$up->set_keys($again);
kill 'CONT', $up->pid;

is($client->read_response('GET')->status, 401, 'an old secret is rejected');
is(status('emptied')->{rejected}, 0, 'the new one is not');
is(ask('emptied'), 200, 'it is used');

done_testing();
