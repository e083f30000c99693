#!/usr/bin/perl

# When a worker looks at the file of a key: not at all, or by itself; when it
# may not read it; and before it serves, so that no old key comes back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my %key = (other => new_key('one'),
           map { $_ => new_key($_) } qw(one two three four));
my $up = Katalo::Upstream->new;


sub gateway {
    my ($keys, %option) = @_;

    my @names = $keys =~ /katalo_key (\w+) /g;

    return Katalo::Test->new(
        upstream => $up, workers => 2, %option,
        keys => { map { $_ => $key{one} } @names }, http => <<"EOC");
    $keys
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status json; }
@{[ map { <<"EOL" } @names ]}
        location /$_/ {
            katalo_bearer $_;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
EOL
    }
EOC
}


# the id of the key that went along, or the status of the refusal
sub sent {
    my ($gateway, $name) = @_;

    $up->clear;
    my $response = $gateway->request('GET', "/$name/usage/summary");
    return $response->status if $response->status != 200;

    my ($auth) = $up->auth(($up->received(1))[0]);
    my ($id) = grep { expects_auth($key{$_}) eq $auth } keys %key;

    return $id // 'another';
}


# Both workers are killed; the first requests of new ones.
sub sent_by_new_workers {
    my ($gateway, $name) = @_;
    my @old = $gateway->worker_pids;

    kill 'KILL', @old;
    wait_until(sub { !grep { kill 0, $_ } @old });

    my @sent = map { sent($gateway, $name) } 1 .. 3;
    wait_until(sub { $gateway->worker_pids == 2 });

    return join ' ', @sent;
}


# each of the two workers logs it
sub both_log {
    my ($gateway, $pattern, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return ok($gateway->wait_for_log(qr/$pattern.*$pattern/s), $name);
}


sub status {
    my ($gateway, $name) = @_;
    my ($row) = grep { $_->{key} eq $name } @{ $gateway->status->{keys} };

    return $row;
}


{
    my $gateway = gateway(<<'EOC')->start;
katalo_key fast file:%KEY:fast% check=100ms;
    katalo_key slow file:%KEY:slow% check=1h;
    katalo_key never file:%KEY:never% check=off;
EOC
    $gateway->set_key($_ => $key{two}) for qw(fast slow never);

    both_log($gateway, '"fast" is rotated',
             'check= is the time between looks');
    sleep 0.5;
    is(sent($gateway, 'fast'), 'two', 'a key is changed');
    is(sent($gateway, 'slow'), 'one', 'while another waits for its time');
    is(sent($gateway, 'never'), 'one', 'and one is never looked at');

    ok($gateway->reload(gone => 1), 'a reload');
    is(sent($gateway, $_), 'two', "reads the file of $_ again")
        for qw(fast slow never);
    is(status($gateway, $_)->{rotations}, 1, "a rotation of $_")
        for qw(fast slow never);
}

{
    my $gateway = gateway(<<'EOC')->start;
katalo_key production file:%KEY:production% check=1h;
EOC

    $gateway->set_key(production => $key{two});
    is(sent_by_new_workers($gateway, 'production'), 'two two two',
       'new workers use what replaced the key just now');
    is(status($gateway, 'production')->{rotations}, 1, 'one rotation');

    is(sent_by_new_workers($gateway, 'production'), 'two two two',
       'and other new ones as well');
    is(status($gateway, 'production')->{rotations}, 1, 'still one rotation');
    is_deeply({ map { $_->{key_id} => $_->{state} }
                    @{ status($gateway, 'production')->{ids} } },
              { one => 'previous', two => 'current' },
              'what the master has read is a previous id');

    $gateway->set_key(production => "no key\n");
    is(sent_by_new_workers($gateway, 'production'), '503 503 503',
       'a replaced key does not come back where the file is bad');
    ok($gateway->wait_for_log(qr/"production" id "one" is not used/),
       'which is logged');

    $gateway->set_key(production => $key{three});
    is(sent_by_new_workers($gateway, 'production'), 'three three three',
       'a key is used as soon as there is one');

    $gateway->set_key(production => '');
    is(sent_by_new_workers($gateway, 'production'), '503 503 503',
       'a revoked key does not come back');
    is(status($gateway, 'production')->{rotations}, 2, 'two rotations');

    lacks_secrets($gateway->error_log, 'no secret is in the error log');
}

{
    my $gateway = gateway(<<'EOC')->start;
katalo_key production file:%KEY:production% check=100ms;
EOC

    $gateway->set_key(production => $key{other});
    both_log($gateway, '"production" id "one" has a new secret',
             'another secret of the same id');
    is(sent_by_new_workers($gateway, 'production'), 'other other other',
       'new workers use it');

    $gateway->set_key(production => "no key\n");
    is(sent_by_new_workers($gateway, 'production'), '503 503 503',
       'the one of before does not come back where the file is bad');

    $gateway->set_key(production => $key{one});
    ok($gateway->reload(gone => 1), 'a reload');
    $gateway->set_key(production => "no key\n");
    is(sent_by_new_workers($gateway, 'production'), 'one one one',
       'what it has read is used');
}

SKIP: {
    skip 'needs root, to have workers that are not', 16 if $> != 0;

    my $gateway = gateway(<<'EOC', user => 'nobody nogroup');
katalo_key production file:%KEY:production% check=100ms;
    katalo_key hidden file:%KEY:hidden% check=100ms;
EOC
    mkdir $gateway->prefix . '/keys/hidden.d', 0700;
    $gateway->{vars}{'KEY:hidden'} = $gateway->write_file(
        'keys/hidden.d/key', $key{one}, 0644);
    $gateway->start;

    for (qw(production hidden)) {
        both_log($gateway, qq{\\[notice\\].*"$_" is rotated on reload },
                 "$_: workers that may not read the file say so");
    }

    $gateway->set_key(production => $key{two});
    both_log($gateway, '\[notice\].*"production": "\S+" was changed, reload ',
             'and that it was changed');
    sleep 0.3;
    is(() = $gateway->error_log =~ /was changed/g, 2,
       'once, and only of the file that was');
    is(sent($gateway, 'production'), 'one', 'the key stays');

    $gateway->reload(gone => 1);
    is(sent($gateway, 'production'), 'two', 'until a reload');

    $gateway->write_file('keys/production', $key{three}, 0644);
    both_log($gateway, '"production" is rotated from id "two" to "three"',
             'a file that may be read by now is read');
    is(sent($gateway, 'production'), 'three', 'its key is used');

    $gateway->set_key(production => $key{four});
    both_log($gateway, '\[error\].*"production": "\S+" could not be opened',
             'one that may not be read any more is an error');
    is(sent($gateway, 'production'), 'three', 'the last good key stays');
    is(status($gateway, 'production')->{read_failures}, 1, 'counted once');

    chmod 0644, $gateway->prefix . '/keys/production';
    both_log($gateway, '"three" to "four"',
             'a change of its mode is seen');
    is(status($gateway, 'hidden')->{read_failures}, 0,
       'what is hidden is no failure');

    chmod 0600, $gateway->prefix . '/keys/production';
    is(sent_by_new_workers($gateway, 'production'), '503 503 503',
       'a replaced key does not come back with workers that may not read');
    is(sent($gateway, 'hidden'), 'one', 'one that was not replaced is used');

    $gateway->write_file('keys/production', '', 0644);
    wait_until(sub { !status($gateway, 'production')->{usable} });
    $gateway->set_key(production => $key{three});
    is(sent_by_new_workers($gateway, 'production'), '503 503 503',
       'nor does a revoked one');

    $gateway->reload(gone => 1);
    is(sent($gateway, 'production'), 'three', 'until a reload');
}

{
    my $gateway = gateway(<<'EOC', workers => 1,
katalo_key production file:%KEY:production% check=100ms;
EOC
        main => 'worker_rlimit_nofile 64;')->start;
    my @clients = map { $gateway->connection } 1 .. 100;

    ok($gateway->wait_for_log(qr/24: Too many open files/),
       'a worker has no file descriptor left');
    $gateway->set_key(production => $key{two});
    ok($gateway->wait_for_log(qr/"production": "\S+" could not be opened \(24/),
       'when a key is replaced');

    $_->close for @clients;
    ok($gateway->wait_for_log(qr/"production" is rotated from id "one" to /),
       'it looks again, at the same file');
    is(sent($gateway, 'production'), 'two', 'and uses the key');
    is(() = $gateway->error_log =~ /"production": "\S+" could not/g, 1,
       'there was one error');
}

done_testing();
