import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class JavaClient {

    public static void main(String[] args) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(args[0]));

        if (args.length > 1) {
            request.header("Content-Type", "application/json")
                   .POST(HttpRequest.BodyPublishers.ofString(args[1]));
        }

        var response = HttpClient.newHttpClient().send(
            request.build(), HttpResponse.BodyHandlers.discarding());

        System.exit(response.statusCode() == 200 ? 0 : 1);
    }
}
