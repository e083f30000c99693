#!/usr/bin/perl

# Hundreds of consumers, three workers, and room for two: entries are used by
# some workers while others give them away.  In the usage log, consumers have
# exactly what key ids have, nobody has more than was asked for, and requests
# without a consumer never go back.

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

use constant { CLIENTS => 6, LOOKS => 100, ROOM => 2 };

my ($gateway, $up);


# With "logged", an entry waits for the usage log; else it gives way at once.
sub http {
    my ($logged) = @_;

    return usage_http(
        $logged ? 'logs/usage.log interval=1s' : '', <<"EOC",
access_log off;
    katalo_zone 1m consumers=@{[ ROOM ]};
    map \$uri \$user { "~/(c[0-9]+-)[0-9]*?([0-2]?[0-9])\$" \$1\$2; }
EOC
        server => <<'EOS');
katalo_consumer $user;
        location /off/ {
            katalo_consumer off;
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
EOS
}


# The consumer of a target, as the map has it.
sub consumer {
    my ($target) = @_;

    return '' if $target =~ m{/off/};

    return $target =~ m{/(c\d+-)\d*?([0-2]?\d)\?} ? "$1$2"
                                                   : die "target: $target\n";
}


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


# Consumers that the usage log has so far.
sub names {
    usage_lines($gateway, 'logs/usage.log');

    my %name = map { $_->{consumer} => 1 } consumer_lines();

    return keys %name;
}


# Requests without a consumer.
sub nobody {
    my ($consumer) = grep { $_->{consumer} eq '' }
                          @{ $gateway->status->{keys}[0]{consumers} };

    return $consumer ? $consumer->{requests}{total} : 0;
}


for my $logged (1, 0) {
    my $title = $logged ? 'with a usage log' : 'without';

    $up = Katalo::Upstream->new;
    $gateway = Katalo::Test->new(
        upstream => $up, workers => 3, keys => { production => new_key('id0') },
        http => http($logged))->start;

    my @load = (Katalo::Test::Load->start($gateway, clients => CLIENTS - 2),
                Katalo::Test::Load->start($gateway, clients => 1,
                                          requests => 1),
                Katalo::Test::Load->start($gateway, clients => 1,
                                          path => '/off/off'));
    my ($last, @backwards) = (0);

    for (1 .. LOOKS) {
        my $now = nobody();

        push @backwards, "$last $now" if $now < $last;
        $last = $now;
        sleep 0.05;
    }

    wait_until(sub { names() > ROOM + 2 }) if $logged;

    my $answers = 0;
    $answers += Katalo::Test::Load::answers($_->stop) for @load;

    is_deeply(\@backwards, [], "$title: without a consumer never go back");
    settles($gateway, $title);

    my (%received, %counted);
    $received{ consumer($_) }++ for $up->targets;
    note("$title: $answers answers, ", scalar keys %received, ' consumers');

    is(nobody(), $received{''}, "$title: they are what was sent");
    ends_well($gateway);

    next if !$logged;

    my @ids = usage_lines($gateway, 'logs/usage.log');
    my @consumers = consumer_lines();

    $counted{ $_->{consumer} } += $_->{delta}{requests}{total} // 0
        for @consumers;

    adds_up($title, @ids);
    is_deeply(sums(@consumers), sums(@ids), 'consumers have what ids have');
    is($counted{''}, $received{''}, 'those without a consumer are exact');
    cmp_ok(scalar keys %counted, '>', ROOM + 2, 'some gave way to others');
    is_deeply([grep { $_ ne '*' && $counted{$_} > ($received{$_} // 0) }
                    keys %counted], [],
              'nobody has more than was asked for');
}

done_testing();
