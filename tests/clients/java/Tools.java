import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import org.apache.kafka.common.utils.Exit;

/**
 * Runs Apache Kafka's command-line tools one after the other in one JVM: starting one for each takes longer than what they do.
 *
 * <p>Arguments: the jars whose classes are loaded afresh for each run, as a new process would have them. They are not on the
 * class path. A request on standard input is a count and as many texts: main class, standard input, arguments. An answer on
 * standard output is the exit status and two texts: what was printed, and what was printed as errors. A text is its length in
 * bytes and UTF-8; numbers are 32 bits, big-endian.
 */
public final class Tools {
    /** Ends a tool in place of its process. */
    private static final class Ended extends Error {
        private static final long serialVersionUID = 1L;
    }

    private final URL[] jars;
    private final List<Thread> hooks = new ArrayList<>();
    private Integer status;

    private Tools(URL[] jars) {
        this.jars = jars;
        Exit.setExitProcedure(this::end);
        Exit.setHaltProcedure(this::end);
        Exit.setShutdownHookAdder((name, hook) -> {
            synchronized (hooks) {
                hooks.add(new Thread(hook, name));
            }
        });
    }

    public static void main(String[] args) throws Exception {
        URL[] jars = new URL[args.length];
        for (int place = 0; place < args.length; place++) {
            jars[place] = Path.of(args[place]).toUri().toURL();
        }
        new Tools(jars).serve(new DataInputStream(System.in), new DataOutputStream(System.out));
    }

    private void serve(DataInputStream requests, DataOutputStream answers) throws Exception {
        PrintStream errors = System.err;
        while (true) {
            List<String> request;
            try {
                request = read(requests);
            } catch (EOFException end) {
                return;
            }
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            ByteArrayOutputStream complained = new ByteArrayOutputStream();
            System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(complained, true, StandardCharsets.UTF_8));
            System.setIn(new ByteArrayInputStream(request.get(1).getBytes(StandardCharsets.UTF_8)));
            int ended = run(request.get(0), request.subList(2, request.size()).toArray(new String[0]));
            System.err.flush();
            System.out.flush();
            System.setErr(errors);
            answers.writeInt(ended);
            write(answers, printed);
            write(answers, complained);
            answers.flush();
        }
    }

    private int run(String main, String[] args) throws IOException {
        status = null;
        ClassLoader before = Thread.currentThread().getContextClassLoader();
        try (URLClassLoader loader = new URLClassLoader(jars, Tools.class.getClassLoader())) {
            Thread.currentThread().setContextClassLoader(loader);
            try {
                loader.loadClass(main).getMethod("main", String[].class).invoke(null, (Object) args);
            } catch (InvocationTargetException thrown) {
                if (status == null) {
                    thrown.getCause().printStackTrace();
                    status = 1;
                }
            } catch (ReflectiveOperationException noSuchTool) {
                noSuchTool.printStackTrace();
                status = 127;
            }
            runHooks();
        } finally {
            Thread.currentThread().setContextClassLoader(before);
        }
        return status == null ? 0 : status;
    }

    /** The first end counts: tools catch what they do not know and end again. */
    private void end(int code, String message) {
        if (status == null) {
            status = code;
            if (message != null) {
                System.err.println(message);
            }
        }
        throw new Ended();
    }

    /** What a tool wants done when its process ends. */
    private void runHooks() {
        List<Thread> ending;
        synchronized (hooks) {
            ending = new ArrayList<>(hooks);
            hooks.clear();
        }
        ending.forEach(Thread::start);
        for (Thread hook : ending) {
            try {
                hook.join(10_000);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static List<String> read(DataInputStream requests) throws IOException {
        int count = requests.readInt();
        List<String> texts = new ArrayList<>();
        for (int place = 0; place < count; place++) {
            byte[] text = new byte[requests.readInt()];
            requests.readFully(text);
            texts.add(new String(text, StandardCharsets.UTF_8));
        }
        return texts;
    }

    private static void write(DataOutputStream answers, ByteArrayOutputStream text) throws IOException {
        answers.writeInt(text.size());
        text.writeTo(answers);
    }
}
