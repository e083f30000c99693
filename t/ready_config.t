#!/usr/bin/perl

# What nginx -t takes and refuses of "katalo_status ready".

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Config;

my $config = Katalo::Test::Config->new(
    keys => { production => new_key('prod1') });


sub location { return (server => "location = /ready { $_[0] } #!") }


$config->accepts("katalo_status $_",
                 server => "location /s { katalo_status $_; }")
    for 'ready', 'ready key=production';

my @wrong = (
    ['ready key=staging', qr/unknown key "staging" in "katalo_status ready", /
                          . qr/there is no "katalo_key" of that name: declare/],
    ['ready key=production key=staging', qr/unknown key "staging" in/],
    (map { ["ready $_", qr/invalid parameter "\Q$_\E" in "katalo_status /
                        . qr/ready", use "key=NAME" with the name of a /] }
     'key=', 'json', 'ready', 'production', 'keys=production'),
    (map { ["$_ key=production", qr/invalid value "key=production" in /
                                 . qr/"katalo_status", use .* alone, or "read/]
         } 'json', '', 'html'),
    ['json ready', qr/invalid value "ready" in "katalo_status", use "json"/],
    ['Ready', qr/invalid value "Ready" in "katalo_status", use "json"/],
    ['readyx', qr/invalid value "readyx" in "katalo_status", use "json"/],
);

$config->refuses("katalo_status $_->[0]", $_->[1],
                 location("katalo_status $_->[0];")) for @wrong;
$config->refuses("$_->[0] and $_->[1]", qr/"katalo_status" directive is dupl/,
                 location("katalo_status $_->[0]; katalo_status $_->[1];"))
    for ['ready', 'ready'], ['json', 'ready'], ['ready', 'html'];

done_testing();
