package Katalo::Bench;

# What everything is measured with, and what is measured at once.
#
#   my %with = with();                    # key, backend: to be kept
#   my $cost = cost($row, %with);         # instructions(), and system calls
#   my $kilobytes = resident($row, %with);
#   my $kilobytes = zone_needed(%with)    # for KEYS;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(sum);

use Katalo::Bench::Gateway;
use Katalo::Bench::Profile qw(instructions system_calls);
use Katalo::Bench::Rows qw(row);
use Katalo::Test qw(new_key);
use Katalo::Test::Process qw(slurp);

our @EXPORT_OK = qw(with cost resident zone_needed);


sub with {
    my $backend = Katalo::Test->new(http => <<'EOC')->start;
    access_log off;
    keepalive_requests 100000000;
    ssl_certificate %CERT%;
    ssl_certificate_key %CERT_KEY%;
    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl;
        default_type application/json;
        return 200 '{"job_id":"job_01JXGENABCDEFGHIJKL012345"}';
    }
EOC

    return (key => new_key('prod1'), backend => $backend);
}


# { instructions, allocations, system_calls, repeats }
sub cost {
    my ($row, %with) = @_;
    my $cost = instructions($row, %with);
    my $calls = system_calls($row, %with);

    my %cost = map { $_ => delete $cost->{$_} } qw(instructions repeats);

    delete $calls->{repeats};

    return { %cost, allocations => sum(values %$cost) // 0,
             system_calls => sum(values %$calls) };
}


# Of the process, once it has served, without the zone.
sub resident {
    my ($row, %with) = @_;
    my $gateway = Katalo::Bench::Gateway->new(row => $row, %with);

    $gateway->requests(100);

    my ($own) = slurp('/proc/' . $gateway->pid . '/status')
                =~ /^RssAnon:\s*(\d+)/m;

    $gateway->stop;

    return $own;
}


# The zone that nginx says the 10,000 keys need, when it gets too small a one.
sub zone_needed {
    my (%with) = @_;
    my %row = %{ row('keys') };

    $row{http} =~ s/katalo_zone 128m/katalo_zone 1m/ or die;

    eval { Katalo::Bench::Gateway->new(row => \%row, %with) };

    my ($size) = $@ =~ /"katalo_zone (\d+)k"/;

    return $size // die "no size in: $@";
}

1;
