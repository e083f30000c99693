package Katalo::Test::Curl;

# The curl program, for the protocols that Katalo::Test::Client does not speak.

use strict;
use warnings;

use Exporter qw(import);
use File::Temp;
use POSIX ();

use Katalo::Test::Certificates qw(certificate);
use Katalo::Test::Process qw(slurp);
use Katalo::Test::Response;
use Katalo::Test::Tool;

our @EXPORT_OK = qw(curl curl_has);


sub curl {
    my (@arguments) = @_;
    my $errors = File::Temp->new;
    my $seconds = Katalo::Test::Process::PATIENCE
                  * Katalo::Test::Tool::slowness();

    my $pid = open(my $pipe, '-|') // die "fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>', "$errors";
        exec 'curl', '-sS', '-i', '--noproxy', '*', '--max-time', $seconds,
             '--cacert', certificate('ca'), @arguments
            or POSIX::_exit(127);
    }

    binmode $pipe;
    my $output = do { local $/; <$pipe> } // '';
    close $pipe;

    return Katalo::Test::Response->from_curl(
        $output, exit => $? >> 8, error => slurp("$errors"));
}


sub curl_has {
    my ($feature) = @_;

    return `curl -V` =~ /^Features:.*\b\Q$feature\E\b/m ? 1 : 0;
}

1;
