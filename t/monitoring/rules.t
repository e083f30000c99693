#!/usr/bin/perl

# promtool has no complaint about the metrics, the rules and their tests; and
# each alert has a test in which it fires, and one in which it does not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use File::Temp;

use Katalo::Prometheus qw(promtool);
use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);

my $directory = "$FindBin::Bin/../../docs/monitoring";
my %text = map { $_ => slurp("$directory/$_") }
           qw(alerts.yml recording.yml alerts_test.yml prometheus.yml);

my $gateway = Katalo::Test->new(
    keys => { production => new_key('prod1') }, http => <<'EOC')->start;
    katalo_key production file:%KEY:production% host=localhost;
    proxy_ssl_trusted_certificate %CA%;
    resolver 127.0.0.1:%PORT2%;
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://localhost/;
        }
        location = /status { katalo_status prometheus; }
    }
EOC


# what promtool says of files, one of which may be changed
sub tool {
    my ($arguments, %changed) = @_;
    my $copy = File::Temp->newdir('katalo-rules-XXXXXX', TMPDIR => 1);
    my %file = (%text, %changed);

    for my $name (keys %file) {
        open my $file, '>', "$copy/$name" or die "$name: $!\n";
        print $file $file{$name};
        close $file;
    }

    return promtool(directory => "$copy", @$arguments);
}


my ($code, $output) = promtool(
    input => $gateway->request('GET', '/status')->body, qw(check metrics));
is($output, '', 'promtool check metrics says nothing');
is($code, 0, 'and is content');

($code, $output) = promtool(input => "# TYPE a counter\na 1\n",
                            qw(check metrics));
isnt($code, 0, 'it is not content with anything');

($code, $output) = tool([qw(check config prometheus.yml)]);
is($code, 0, 'the configuration and its rules are valid') or diag($output);

($code, $output) = tool([qw(test rules alerts_test.yml)]);
is($code, 0, 'the tests of the rules pass') or diag($output);


# the tests notice when an alert is missing, or always fires

my @alerts = $text{'alerts.yml'} =~ /^ *- alert: (\w+)$/mg;
cmp_ok(scalar @alerts, '>', 8, 'there are alerts: ' . join ' ', @alerts);

for my $change ([never => 'vector(1) > 1'], [always => 'vector(1)']) {
    my ($when, $expression) = @$change;
    my $changed = $text{'alerts.yml'}
                  =~ s/^(\ *)expr:.*?(?=^\ +(?:for|labels):)
                      /$1expr: $expression\n/gmsxr;

    my $changes = () = $changed =~ /expr: \Q$expression\E$/mg;
    is($changes, scalar @alerts, "alerts that fire $when");

    ($code, $output) = tool([qw(test rules alerts_test.yml)],
                            'alerts.yml' => $changed);
    like($output, qr/alertname: $_,/, "$when: the test of $_ fails")
        for @alerts;
}


# they know no metric that there is not

my ($metrics) = $gateway->request('GET', '/status')->body;
my %known = map { $_ => 1 } $metrics =~ /^(katalo_\w+)/mg;
my %recorded = map { $_ => 1 } $text{'recording.yml'} =~ /record: (\S+)$/mg;

for my $name (qw(recording.yml alerts.yml alerts_test.yml)) {
    my $rules = $text{$name}
                =~ s/^ *(?:#|summary:|- name:|- record:|kind:).*$//mgr;

    is_deeply([grep { !$known{$_} && !$recorded{$_} }
               $rules =~ /\b([a-z_]*:?katalo_\w+(?::\w+)?)(?=[{) \[\n])/g],
              [], "$name: every metric exists");
}

done_testing();
