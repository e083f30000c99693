#!/usr/bin/perl

# Consumers under load, while workers are killed, the configuration is read
# again, the key is rotated and the status read.  In the usage log, consumers
# have exactly what key ids have; of what the upstream received nothing is
# missing, nor has anybody more than was asked for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(sleep);

use Katalo::Test qw(:all);
use Katalo::Test::Health qw(settles ends_well);
use Katalo::Test::Load;
use Katalo::Test::UsageLog qw(usage_http usage_lines consumer_lines adds_up);
use Katalo::Upstream;

use constant { CLIENTS => 8, CONSUMERS => 200, KILLS => 20, RELOADS => 60,
               IDS => 4 };

my @keys = map { new_key("id$_") } 0 .. IDS - 1;
my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => $keys[0] },
    http => usage_http('logs/usage.log interval=1s', <<'EOC',
access_log off;
    katalo_zone 1m consumers=400;
    map $uri $user { "~/(c[0-9]+-)[0-9]*?([0-2]?[0-9])$" $1$2; }
EOC
        server => <<'EOS'))->start;
katalo_consumer $user;
        location /off/ {
            katalo_consumer off;
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
EOS


# The consumer of a target, as the map has it.
sub consumer {
    my ($target) = @_;

    return '' if $target =~ m{/off/};

    return $target =~ m{/(c\d+-)\d*?([0-2]?\d)\?} ? "$1$2"
                                                   : die "target: $target\n";
}


my $named = Katalo::Test::Load->start($gateway, clients => CLIENTS - 2);
my $new = Katalo::Test::Load->start($gateway, clients => 1, requests => 1);
my $off = Katalo::Test::Load->start($gateway, clients => 1,
                                    path => '/off/off');
my @killed;

for my $n (1 .. RELOADS) {
    $gateway->set_key(production => $keys[$n % IDS]);
    $gateway->reload or die "a reload was refused\n";
    eval { $gateway->status };

    push @killed, $gateway->kill_worker(($gateway->worker_pids)[rand 2])
        if $n % (RELOADS / KILLS) == 0;
    sleep 0.05;
}

wait_until(sub { $up->targets > 10 * CONSUMERS });

my @outcomes = map { $_->stop } $named, $new, $off;
my ($cut, $answers) = (0, 0);

for my $outcome (@outcomes) {
    $cut += $outcome->{stale} + @{ $outcome->{broken} };
    $answers += Katalo::Test::Load::answers($outcome);
}

settles($gateway, 'after all');
ends_well($gateway, killed => \@killed, expected => qr/was locked by \d+$/);

my @ids = usage_lines($gateway, 'logs/usage.log');
my @consumers = consumer_lines();

adds_up(@killed . ' killed workers', @ids);


# Requests by operation, and responses, of all lines.
sub sums {
    my %sum = (responses => 0);

    for my $delta (map { $_->{delta} } @_) {
        my ($requests, $responses) = map { $_ // {} }
                                     @$delta{qw(requests responses)};

        $sum{"requests.$_"} += $requests->{$_} for keys %$requests;
        $sum{responses} += $_ for values %$responses;
    }

    return \%sum;
}


my ($of_ids, $of_consumers) = (sums(@ids), sums(@consumers));

is_deeply($of_consumers, $of_ids, 'consumers have what ids have');

my (%received, %counted);

$counted{ $_->{consumer} } += $_->{delta}{requests}{total} // 0
    for @consumers;
$received{ consumer($_) }++ for $up->targets;

my $all = $up->targets;

note("$all received, $of_ids->{'requests.total'} counted, $answers answers, ",
     "$cut cut off, ", scalar keys %counted, ' consumers');

cmp_ok(scalar keys %counted, '>=', CONSUMERS, 'there were many consumers');
is($counted{'*'} // 0, 0, 'there was room for all of them');
cmp_ok($of_ids->{'requests.total'}, '>=', $all, 'no request is missing');
cmp_ok($of_ids->{'requests.total'}, '<=', $all + $cut,
       'requests counted but not received were cut off');
is_deeply([grep { ($counted{$_} // 0) < $received{$_} } keys %received], [],
          'nor of any consumer');

my $more = 0;
$more += ($counted{$_} // 0) - ($received{$_} // 0)
    for keys %counted;

cmp_ok($more, '<=', $cut, 'nobody has more than was asked for');

done_testing();
