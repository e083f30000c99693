package Katalo::Test::Certificates;

# A CA and what it issued, made once per process; and what must not be trusted.
#
#   ca, server              katalo.ai, *.katalo.ai, localhost, 127.0.0.1
#   wrong_name, expired     issued by the same CA
#   other_ca, untrusted     the same names, from a CA nobody trusts
#   chain                   the same names, two intermediate CAs below the CA
#   client, other_client, stranger
#                           of clients, issued by the same CA

use strict;
use warnings;

use Exporter qw(import);
use File::Temp;
use IO::Socket::SSL::Utils;

our @EXPORT_OK = qw(certificate certificate_key);

use constant DAY => 24 * 3600;

my @names = ([DNS => 'localhost'], [DNS => 'katalo.ai'],
             [DNS => '*.katalo.ai'], [IP => '127.0.0.1']);
my $directory;


sub certificate {
    my ($name) = @_;

    return _directory() . "/$name.pem";
}


sub certificate_key {
    my ($name) = @_;

    return _directory() . "/$name.key";
}


sub _directory {
    if (!$directory) {
        $directory = File::Temp->newdir('katalo-certificates-XXXXXX',
                                        TMPDIR => 1);
        chmod 0755, $directory;

        my $ca = _make('ca', CA => 1);
        _make('server', issuer => $ca, names => \@names);
        _make('wrong_name', issuer => $ca,
              names => [[DNS => 'wrong.example']]);
        _make('expired', issuer => $ca, names => \@names,
              not_after => time - DAY);

        my $first = _make('first', issuer => $ca, CA => 1);
        my $second = _make('second', issuer => $first, CA => 1);
        _make('chain', issuer => $second, names => \@names);
        _append('chain', $second, $first);
        _make($_, issuer => $ca, purpose => 'client')
            for qw(client other_client stranger);

        my $other = _make('other_ca', CA => 1);
        _make('untrusted', issuer => $other, names => \@names);
    }

    return $directory;
}


# what a server sends besides its own certificate
sub _append {
    my ($name, @others) = @_;

    open my $file, '>>', "$directory/$name.pem" or die "$name.pem: $!\n";
    print $file map { PEM_cert2string($_->[0]) } @others;
    close $file or die "$name.pem: $!\n";

    return;
}


sub _make {
    my ($name, %option) = @_;
    my $key = KEY_create_ec('prime256v1');

    my ($certificate) = CERT_create(
        subject => { commonName => "katalo test $name" },
        key => $key,
        not_before => time - 2 * DAY,
        not_after => $option{not_after} // time + 30 * DAY,
        CA => $option{CA} // 0,
        purpose => $option{purpose} // ($option{CA} ? 'ca' : 'server'),
        $option{names} ? (subjectAltNames => $option{names}) : (),
        $option{issuer} ? (issuer => $option{issuer}) : (),
    );

    PEM_cert2file($certificate, "$directory/$name.pem");
    PEM_key2file($key, "$directory/$name.key");
    chmod 0600, "$directory/$name.key";

    return [$certificate, $key];
}

1;
