#!/usr/bin/perl

# What docs/operations.md says of upgrades: nginx takes no module of another
# version or build, and serves on; one that fits is used after a binary upgrade,
# which can be given up, and not after a reload.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use File::Copy qw(copy);
use File::Temp;

use Katalo::Test qw(:all);
use Katalo::Test::Daemon;
use Katalo::Test::Nginx;
use Katalo::Test::Process qw(children title slurp);
use Katalo::Upstream;

plan skip_all => 'a static build has no module to replace'
    if ($ENV{TEST_NGINX_MODULE} // 'so') eq '';

my $directory = File::Temp->newdir('katalo-upgrade-XXXXXX', TMPDIR => 1);
my $built = slurp((Katalo::Test::Nginx::modules())[-1]);
my $path = $ENV{TEST_NGINX_MODULE} = "$directory/katalo.so";
my ($major, $minor, $patch) = split /\./, nginx_version();
my $version = $major * 1000000 + $minor * 1000 + $patch;

chmod 0755, $directory;


# Another file of this name; nginx has the old one until it is told.
sub install {
    my ($content) = @_;

    open my $file, '>:raw', "$path.new" or die "$path.new: $!\n";
    print $file $content;
    close $file or die "$path.new: $!\n";
    rename "$path.new", $path or die "$path: $!\n";

    return;
}


# The module's struct begins with two indices that are unset; its signature is
# a text.

sub other_version {
    my $begin = "\xff" x 16 . "\0" x 24;

    return $built =~ s/\Q$begin\E\K\Q@{[ pack 'Q<', $version ]}\E
                      /pack 'Q<', $version + 1/xegr;
}

sub other_build {
    return $built =~ s/(8,[48],[48],[01]+)(?=[01]\0)/$1 =~ tr{01}{10}r/egr;
}


my %refused = (
    'of another version' => [other_version(),
        qr/module "\Q$path\E" version @{[ $version + 1 ]} instead of $version/],
    'of another build' => [other_build(),
        qr/module "\Q$path\E" is not binary compatible/],
);

my $up = Katalo::Upstream->new;

install($built);

my $gateway = Katalo::Test::Daemon->new(
    upstream => $up, keys => { production => new_key() },
    http => gateway_http(http => 'katalo_consumer off;'))->start;
my $old = $gateway->master_pid;


sub workers { return grep { title($_) eq 'nginx: worker process' }
                          children($_[0]) }


# Those of this process: the file there now, and one that was there before.
sub modules {
    my ($pid) = @_;
    my $maps = slurp("/proc/$pid/maps");

    return join ' and ', ($maps =~ /\Q$path\E$/m ? 'the new' : ()),
                         ($maps =~ /\Q$path\E \(deleted\)$/m ? 'the old' : ());
}


sub serves {
    my ($title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is($gateway->request('GET', '/katalo/usage/summary')->status, 200,
              $title);
}


sub counted {
    return $gateway->settled_status->{keys}[0]{ids}[0]{requests}{total};
}


serves('nginx serves');

# one that does not fit

for my $which (sort keys %refused) {
    my ($content, $message) = @{ $refused{$which} };

    isnt($content, $built, "a module $which");
    install($content);

    my ($code, $output) = $gateway->test_config;

    is($code, 1, 'is refused by nginx -t');
    like($output, $message, 'which says why');
    ok($gateway->reload, 'a reload does not look at it');
    serves('nginx serves on');

    $gateway->mark_log;
    $gateway->signal('USR2');
    ok($gateway->wait_for_log($message), 'a binary upgrade is given up');
    ok(wait_until(sub { $gateway->master_pid == $old
                        && !$gateway->old_master_pid }),
       'the old master is the only one');
    serves('and serves on');
}

is(counted(), 5, 'its counts are all there');

# one that fits

install($built);
ok($gateway->reload(gone => 1), 'with one that fits a reload succeeds');
is(modules($_), 'the old', 'and keeps the old one') for workers($old);
serves('nginx serves');
is(counted(), 6, 'and the counts');

# by a binary upgrade that is given up, and by one that is carried out

for my $carried_out (0, 1) {
    install($built);
    $gateway->signal('USR2');
    ok(wait_until(sub {
        return $gateway->old_master_pid == $old
               && workers($gateway->master_pid);
    }), 'USR2: there are two masters');

    my $new = $gateway->master_pid;
    my ($stays, $goes) = $carried_out ? ($new, $old) : ($old, $new);

    is(modules($new), 'the new', 'the new one has the new module');
    is(modules($old), 'the old', 'the old one has the old module');

    kill 'QUIT', $goes;
    ok(wait_until(sub { !kill 0, $goes }), 'QUIT: one goes');
    ok(wait_until(sub { $gateway->master_pid == $stays
                        && !$gateway->old_master_pid }), 'the other one stays');
    serves('and serves');
    is(counted(), $carried_out ? 1 : 7, 'with counts of its own');
}

done_testing();
