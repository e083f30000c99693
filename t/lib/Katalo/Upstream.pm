package Katalo::Upstream;

=head1 NAME

Katalo::Upstream - runs t/katalo-upstream and reads its record

=head1 SYNOPSIS

  my $up = Katalo::Upstream->new(keys => [$key]);   # running when it returns
  $up->port; $up->plain_port;                       # TLS, plain http

  my ($first) = $up->received(1);     # waits for one record
  is_deeply([$up->auth($first)], [expects_auth($key)], 'the key, once');

=head1 DESCRIPTION

new() takes keys (those accepted: an array; without it any key will do),
certificate (a name of Katalo::Test::Certificates, "server" if not given), pace
(milliseconds in each state of a job) and limits ("all" for those of Katalo, or
an array, such as ['usage=5/60'] for 5 requests in 60 seconds with a key).

A record is a hash with n, time, connection, port, tls, sni, method, target,
version, head, headers ([name, value] in order), body_length, body_sha256,
chunked, complete (false where the request was cut off), key_id (of the
accepted key) and answer (status or "hang", "reset", ...).  The value of
Authorization is kept as a hash: expects_auth($key) is what "Bearer $key" must
look like.  "t/katalo-upstream --help" lists what a request may ask for.

=head1 METHODS

  received($count, $timeout)  the records since clear(); waits for at least
                              $count if given, and dies if they do not come
  targets                     only the targets of the records, which is quick
  clear                       forgets the records so far
  auth($record)               values of every Authorization line in it
  values($record, $name)      values of every such header line
  set_keys(@keys)             accepts these from now on
  release                     sends all answers held by x-hold
  port, plain_port, pid, stop

=cut

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp;
use JSON::PP qw(decode_json);

use Katalo::Test::Certificates qw(certificate certificate_key);
use Katalo::Test::Process qw(wait_until);

our @EXPORT_OK = qw(expects_auth expects_value);

my $program = dirname(__FILE__) . '/../../katalo-upstream';


sub new {
    my ($class, %option) = @_;
    my $certificate = $option{certificate} // 'server';
    my $directory = File::Temp->newdir('katalo-upstream-XXXXXX', TMPDIR => 1);
    my $self = bless { directory => $directory, offset => 0 }, $class;

    my @command = (
        $program, '--plain', 0, '--record', "$directory/record",
        '--tls', join(',', 0, certificate($certificate),
                      certificate_key($certificate)),
        $option{pace} ? ('--pace', $option{pace}) : (),
        ($option{limits} // '') eq 'all'
            ? '--limits' : map { ('--limit', $_) } @{ $option{limits} // [] });

    if ($option{keys}) {
        $self->set_keys(@{ $option{keys} });
        push @command, '--keys', "$directory/keys";
    }

    $self->{process} = Katalo::Test::Process->spawn(
        command => \@command, output => "$directory/output");

    wait_until(sub { $self->_is_ready || !$self->{process}->is_running });
    $self->{plain_port}
        or die "katalo-upstream: " . _slurp("$directory/output");

    return $self;
}


sub _is_ready {
    my ($self) = @_;
    my $output = _slurp("$self->{directory}/output");

    ($self->{port}) = $output =~ /^listening tls (\d+)$/m;
    ($self->{plain_port}) = $output =~ /^listening plain (\d+)$/m;

    return $self->{plain_port};
}


sub port { return $_[0]{port} }
sub plain_port { return $_[0]{plain_port} }
sub pid { return $_[0]{process}->pid }
sub stop { return $_[0]{process}->stop }
sub release { return $_[0]{process}->signal('USR1') }


sub set_keys {
    my ($self, @keys) = @_;
    my $path = "$self->{directory}/keys";

    open my $file, '>', "$path.new" or die "$path.new: $!\n";
    chmod 0600, "$path.new";
    print $file map { "$_\n" } @keys;
    close $file;

    return rename "$path.new", $path;
}


sub received {
    my ($self, $count, $timeout) = @_;
    my @lines;

    my $enough = wait_until(sub {
        @lines = $self->_lines;
        return @lines >= ($count // 0);
    }, $timeout);

    die "only " . @lines . " of $count requests arrived\n" if !$enough;

    return map { decode_json($_) } @lines;
}


sub targets {
    my ($self) = @_;

    return map { /"target": "([^"]*)"/ } $self->_lines;
}


sub clear {
    my ($self) = @_;

    $self->{offset} = -s "$self->{directory}/record" // 0;

    return;
}


sub auth {
    my ($self, $record) = @_;

    return $self->values($record, 'Authorization');
}


sub values {
    my ($self, $record, $name) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
                                @{ $record->{headers} };
}


sub expects_auth {
    my ($key) = @_;

    return expects_value("Bearer $key");
}


sub expects_value {
    my ($value) = @_;

    return join ':', 'sha256', sha256_hex($value), length $value;
}


sub _lines {
    my ($self) = @_;
    my $text = _slurp("$self->{directory}/record", $self->{offset});

    return $text =~ /^(.*)\n/mg;
}


sub _slurp {
    my ($path, $offset) = @_;

    open my $file, '<:raw', $path or return '';
    seek $file, $offset // 0, 0;
    local $/;

    return scalar <$file> // '';
}

1;
