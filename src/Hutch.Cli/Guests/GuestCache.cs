using System;
using System.IO;
using System.Linq;
using System.Threading;
using Hutch.Host.Files;
using Hutch.Model.Machine;

namespace Hutch.Cli.Guests;

/// <summary>
/// What hutch keeps between runs: directories under <c>$XDG_CACHE_HOME/hutch</c>. An entry appears whole, by a rename, or not at all, so that a
/// process that is killed leaves nothing that the next one could trip over.
/// </summary>
internal sealed class GuestCache
{
    private const string Partial = ".partial-";
    private readonly string _root;
    private readonly Action<string> _say;

    /// <summary>Uses <paramref name="root"/>, which need not exist yet.</summary>
    internal GuestCache(string root, Action<string> say)
    {
        _root = root;
        _say = say;
    }

    /// <summary>The user's cache.</summary>
    internal static string DefaultRoot() => UserFolders.Cache
        ?? throw new UserException("There is no place for what hutch keeps: set HOME or XDG_CACHE_HOME to a directory of yours.", ExitStatus.BadConfiguration);

    /// <summary>Returns the directory of the entry; <paramref name="make"/> fills it in a temporary place when it is not there.</summary>
    internal string Get(string entry, Action<string> make)
    {
        string path = Path.Combine(_root, entry);
        if (Directory.Exists(path)) return path;
        try
        {
            Directory.CreateDirectory(_root);
            using FileStream held = Lock();
            // Whoever held the lock before may have made it.
            if (Directory.Exists(path)) return path;
            foreach (string left in Directory.GetDirectories(_root, $"*{Partial}*")) Directory.Delete(left, recursive: true);
            string partial = $"{path}{Partial}{Guid.NewGuid():N}";
            Directory.CreateDirectory(partial);
            try
            {
                make(partial);
            }
            catch (OperationCanceledException)
            {
                // What cannot be removed yet goes at the next attempt.
                try { Directory.Delete(partial, recursive: true); }
                catch (IOException) { }
                throw;
            }
            Directory.Move(partial, path);
            return path;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"The cache '{_root}' cannot be used: {error.Message} Set XDG_CACHE_HOME to a directory of yours with enough space to spare.", ExitStatus.BadConfiguration);
        }
    }

    /// <summary>The directories of all whole entries.</summary>
    internal string[] Entries() => Directory.Exists(_root) ? [.. Directory.GetDirectories(_root).Where(static path => !path.Contains(Partial, StringComparison.Ordinal)).Order(StringComparer.Ordinal)] : [];

    /// <summary>Removes an entry: first it is none any more, then it goes.</summary>
    internal void Remove(string entry)
    {
        using FileStream held = Lock();
        string path = Path.Combine(_root, entry), partial = $"{path}{Partial}{Guid.NewGuid():N}";
        Directory.Move(path, partial);
        Directory.Delete(partial, recursive: true);
    }

    /// <summary>Names what is made by a recipe: another recipe, another name.</summary>
    internal static string Fingerprint(ReadOnlySpan<byte> recipe)
    {
        // FNV-1a: protects nothing, and loads no cryptographic library at every start.
        ulong hash = 0xcbf2_9ce4_8422_2325;
        foreach (byte value in recipe) hash = (hash ^ value) * 0x100_0000_01b3;
        return $"{hash:x16}";
    }

    /// <summary>Creates a file whose content is on the disk when this returns.</summary>
    internal static void WriteDurably(string path, Action<Stream> write)
    {
        using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write);
        write(file);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Takes the lock, waiting for another process that holds it. The system drops it when its holder dies.</summary>
    private FileStream Lock()
    {
        for (bool told = false; ; told = true)
        {
            try
            {
                return new FileStream(Path.Combine(_root, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException error) when (error.HResult == WouldBlock)
            {
                if (!told) _say("Waiting for another hutch that is preparing the same guest.");
#pragma warning disable RS0030 // Another process's lock gives no event to wait for.
                Thread.Sleep(100);
#pragma warning restore RS0030
            }
        }
    }

    /// <summary>EAGAIN, which is what .NET reports of a file that another process has locked.</summary>
    private const int WouldBlock = 11;
}
