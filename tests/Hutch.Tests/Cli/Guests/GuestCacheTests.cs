using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Cli;
using Hutch.Cli.Guests;
using Xunit;

namespace Hutch.Tests.Cli.Guests;

public sealed class GuestCacheTests : IDisposable
{
    private readonly string _root = Path.Combine(Path.GetTempPath(), $"hutch-cache-{Guid.NewGuid():N}");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void An_entry_is_made_once()
    {
        GuestCache cache = new(_root, _ => { });
        int made = 0;
        string first = cache.Get("a", path => { made++; File.WriteAllText($"{path}/file", "x"); });
        string second = cache.Get("a", _ => made++);
        Assert.Equal(1, made);
        Assert.Equal(first, second);
        Assert.Equal("x", File.ReadAllText($"{first}/file"));
    }

    [Fact]
    public void A_failed_or_killed_attempt_leaves_no_entry_and_is_cleaned_by_the_next()
    {
        GuestCache cache = new(_root, _ => { });
        Assert.Throws<UserException>(() => cache.Get("a", path => { File.WriteAllText($"{path}/half", ""); throw new IOException("the disk is full."); }));
        Assert.NotEmpty(Directory.GetDirectories(_root));
        string made = cache.Get("a", _ => { });
        Assert.Equal([made], Directory.GetDirectories(_root));
        Assert.Empty(Directory.GetFiles(made));
    }

    [Fact]
    public void An_attempt_that_was_given_up_is_gone_at_once()
    {
        GuestCache cache = new(_root, _ => { });
        Assert.Throws<OperationCanceledException>(() => cache.Get("a", path => { File.WriteAllText($"{path}/half", ""); throw new OperationCanceledException(); }));
        Assert.Empty(Directory.GetDirectories(_root));
    }

    [Fact]
    public void Entries_are_listed_and_removed()
    {
        GuestCache cache = new(_root, _ => { });
        Assert.Empty(cache.Entries());
        string a = cache.Get("a", _ => { }), b = cache.Get("b", path => File.WriteAllText($"{path}/file", ""));
        Directory.CreateDirectory($"{_root}/c.partial-1");
        Assert.Equal([a, b], cache.Entries());
        cache.Remove("b");
        Assert.Equal([a], cache.Entries());
    }

    [Fact]
    public async Task Two_first_runs_at_once_make_it_once()
    {
        using ManualResetEventSlim started = new(), waiting = new();
        int made = 0;
        Task<string> first = Task.Run(() => new GuestCache(_root, _ => { }).Get("a", _ => { made++; started.Set(); waiting.Wait(); }));
        started.Wait();
        Task<string> second = Task.Run(() => new GuestCache(_root, _ => waiting.Set()).Get("a", _ => made++));
        Assert.Equal(await first, await second);
        Assert.Equal(1, made);
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_named()
    {
        Directory.CreateDirectory(_root);
        string file = Path.Combine(_root, "file");
        File.WriteAllText(file, "");
        UserException error = Assert.Throws<UserException>(() => new GuestCache($"{file}/hutch", _ => { }).Get("a", _ => { }));
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
    }
}
