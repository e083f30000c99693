#!/usr/bin/perl

# A master that goes to the background, as most are started.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Memory qw(mappings holders);
use Katalo::Test::Process qw(children);
use Katalo::Upstream;

plan skip_all => 'needs root, to read the memory of other processes'
    if $> != 0;

my $key = new_key('one');
my $up = Katalo::Upstream->new;

my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => $key },
    http => <<'EOC');
    katalo_key production file:%KEY:production%;
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
    }
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    proxy_ssl_trusted_certificate %CA%;
EOC

my $master;


sub in_background {
    my ($pid) = $gateway->read_file('logs/nginx.pid') =~ /^(\d+)$/;

    return $pid && kill(0, $pid) && children($pid) == 2 ? $pid : undef;
}


# whether each place where the process has the key is locked
sub locked {
    my ($pid) = @_;
    my @holders = holders($pid, $key);

    return @holders > 0 && !grep { !$_->{flags}{lo} } @holders;
}


$gateway->test_config($gateway->{http});
my $config = $gateway->read_file('conf/test.conf');
$config =~ s/^daemon off;/daemon on;/m or die;
$gateway->write_file('conf/nginx.conf', $config);

my ($status) = $gateway->_run($gateway->_command('nginx.conf'));
is($status, 0, 'nginx starts in the background');
$master = wait_until(\&in_background, 30) or die "it does not run\n";

ok(locked($master), 'the key is locked in the memory of its master');
ok(locked($_), 'and of a worker') for children($master);
is($gateway->request('GET', '/katalo/usage/summary')->status, 200,
   'the key is used');

my @old = children($master);
kill('HUP', $master);
ok(wait_until(sub { my @now = children($master);
                    @now == 2 && !grep { my $pid = $_;
                                         grep { $_ == $pid } @old } @now }, 30),
   'a reload');
ok(locked($_), 'locks it again') for $master, children($master);

END {
    if ($master) {
        my $exit = $?;
        kill('QUIT', $master);
        wait_until(sub { !kill(0, $master) }, 30) or kill('KILL', $master);
        $? = $exit;
    }
}

done_testing();
