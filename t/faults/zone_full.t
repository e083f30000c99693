#!/usr/bin/perl

# The key is rotated under load, in a zone that has slots for few ids: what each
# id did is in the usage log, whoever took its slot.  Then requests that hang
# keep all slots, and an id finds none: its requests are answered, an error says
# that they are not counted, and nothing else is missing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw(sum0);
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Health qw(settles memory keeps_memory ends_well);
use Katalo::Test::Load;
use Katalo::Test::UsageLog qw(usage_http usage_lines adds_up deltas);
use Katalo::Upstream qw(expects_auth);

use constant { ROTATIONS => 24, MOST => 24 };

my $up = Katalo::Upstream->new;
my @keys = (new_key('id0'));
my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => $keys[0] },
    http => usage_http('logs/usage.log interval=1s',
                       'access_log off; katalo_zone 40k;'))->start;


# Returns when both workers have it.
sub rotate {
    my $id = 'id' . @keys;

    push @keys, new_key($id);
    $gateway->set_key(production => $keys[-1]);
    $gateway->wait_for_log(qr/to "$id".*to "$id"/s)
        or die "$id is not installed\n";

    return;
}


sub is_full { return $gateway->error_log =~ /"katalo_zone" is full/ }

sub requests_go_by {
    my ($number) = @_;
    my $before = $up->targets;

    return wait_until(sub { $up->targets >= $before + $number })
           || die "there is no load\n";
}


# Another id gets the slot of one whose counts are in the usage log.  All
# requests of the id are over, or they would make its slot wait once more.
sub is_logged {
    my ($id) = @_;

    return wait_until(sub {
        my ($row) = grep { $_->{key_id} eq $id }
                         @{ $gateway->status->{keys}[0]{ids} } or return 1;
        my $line = deltas(usage_lines($gateway, 'logs/usage.log'))
                   ->{"production $id"} // {};
        my $requests = $row->{requests}{total};

        return $requests == sum0(values %{ $row->{responses} })
               && $requests == ($line->{'requests.total'} // 0)
               && $requests == sum0(map { $line->{$_} }
                                    grep { /^responses\./ } keys %$line);
    });
}


# Another request with the present key that stays in flight.
sub hang {
    my ($there) = @_;
    my $client = $gateway->connection;

    $client->write("GET /katalo/x-hang HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_until(sub { $there < grep { /x-hang/ } $up->targets })
        or die "a request does not arrive\n";

    return $client;
}


# What the upstream received, by id.
sub received {
    my %id = map { expects_auth($keys[$_]) => "id$_" } 0 .. $#keys;
    my %received;

    for my $record ($up->received) {
        my ($auth) = $up->auth($record);
        $received{ $id{$auth} // 'none of them' }++;
    }

    return \%received;
}


sub logged {
    my @lines = usage_lines($gateway, 'logs/usage.log');
    my $sums = deltas(@lines);
    my %logged = map { /(\S+)$/ ? ($1 => $sums->{$_}{'requests.total'} // 0)
                                : () } keys %$sums;

    adds_up('all lines', @lines);

    return { map { $_ => $logged{$_} } grep { $logged{$_} } keys %logged };
}


my $load = Katalo::Test::Load->start($gateway, clients => 3, slow => 300,
                                     pause => 0.01);
requests_go_by(20);
my $memory = memory($gateway);

for (1 .. ROTATIONS) {
    requests_go_by(20);
    rotate();
    is_logged("id$#keys" =~ s/(\d+)/$1 - 1/er) or last;
}

ok(!is_full(), 'there is always a slot for ' . ROTATIONS . ' ids, in turn');

# each id with a request that hangs

my @hanging;

until (is_full() || @hanging == MOST) {
    push @hanging, hang(scalar @hanging);
    rotate();
}

ok(is_full(), 'until all slots are in use');
requests_go_by(100);
$_->close for @hanging;
ok($gateway->wait_for_log(qr/(?:are counted again.*){2}/s),
   'when they end, both workers find one');
requests_go_by(100);

my $outcome = $load->stop;
is_deeply($outcome->{broken}, [], 'every request is answered');
settles($gateway, 'at the end');

my $unattributed = $gateway->status->{unattributed};
keeps_memory($gateway, 'after ' . @keys . ' ids', $memory);

my %uncounted = map { $_ => 1 }
                $gateway->error_log =~ /full, requests with .* id "(\w+)" are/g;
ends_well($gateway);

my ($received, $logged) = (received(), logged());
my ($most) = keys %uncounted;

is(scalar keys %uncounted, 1, 'one id was without a slot for a while');
cmp_ok($logged->{$most}, '>', 0, 'it was counted afterwards');
is((delete $logged->{$most}) + $unattributed, delete $received->{$most},
   'and before that, each request is counted as one of no id');
cmp_ok($unattributed, '>', 0, 'there were some');
is_deeply($logged, $received, 'of all others, each request is logged');
cmp_ok(scalar keys %$logged, '>=', ROTATIONS, 'these are many');
cmp_ok(sum0(values %$logged), '>', 500, 'with many requests');

done_testing();
