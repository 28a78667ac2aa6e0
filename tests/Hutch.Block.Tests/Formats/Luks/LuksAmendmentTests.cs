using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Luks;
using Xunit;

namespace Hutch.Block.Tests.Formats.Luks;

public sealed class LuksAmendmentTests : IDisposable
{
    private readonly ImageFolder _images = new();

    public LuksAmendmentTests()
    {
        _images.Secrets["s0"] = "abc"u8.ToArray();
        _images.Secrets["s1"] = "def"u8.ToArray();
    }

    [Theory]
    [InlineData("", "Parameter 'state' is missing")]
    [InlineData("state=on", "Parameter 'state' does not accept value 'on'")]
    [InlineData("state=active", "'new-secret' is required to activate a keyslot")]
    [InlineData("state=active,new-secret=s1,old-secret=s0", "'old-secret' must not be given when activating keyslots")]
    [InlineData("state=active,new-secret=s1,keyslot=8", "Invalid keyslot 8 specified, must be between 0 and 7")]
    [InlineData("state=active,new-secret=s1,keyslot=0", "Refusing to overwrite active keyslot 0 - please erase it first")]
    [InlineData("state=active,new-secret=s9", "No secret with id 's9'")]
    [InlineData("state=inactive", "To erase keyslot(s), either explicit keyslot index or the password currently contained in them must be given")]
    [InlineData("state=inactive,new-secret=s1", "'new-secret' must not be given when erasing keyslots")]
    [InlineData("state=inactive,iter-time=1", "'iter-time' must not be given when erasing keyslots")]
    [InlineData("state=inactive,keyslot=0", "Attempt to erase the only active keyslot 0 which will erase all the data in the image irreversibly - refusing operation")]
    [InlineData("state=inactive,keyslot=1", "Given keyslot 1 is already erased (inactive) ")]
    [InlineData("state=inactive,old-secret=s1", "No keyslots match given (old) password for erase operation")]
    [InlineData("state=inactive,keyslot=0,old-secret=s1", "Given keyslot 0 doesn't contain the given old password for erase operation")]
    [InlineData("state=inactive,old-secret=s0", "All the active keyslots match the (old) password that was given and erasing them will erase all the data in the image irreversibly - refusing operation")]
    public async Task What_makes_no_sense_is_refused_and_changes_nothing(string options, string message)
    {
        await using ImageNode node = await Open();
        string before = Slots(node);
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await Amend(node, options));
        Assert.Equal(message, refused.Message);
        Assert.Equal(before, Slots(node));
    }

    [Fact]
    public async Task Slots_are_added_until_none_is_free_and_erased_by_passphrase()
    {
        await using (ImageNode node = await Open())
        {
            for (int i = 0; i < 7; i++) await Amend(node, "state=active,new-secret=s1,iter-time=1");
            ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await Amend(node, "state=active,new-secret=s1"));
            Assert.Equal("Can't add a keyslot - all keyslots are in use", refused.Message);
            await Amend(node, "state=inactive,old-secret=s1");
            Assert.Equal("True False False False False False False False", Slots(node));
        }
        await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(LuksFormat.Instance, "disk.luks", options: ("key-secret", "s1")));
        await using ImageNode again = await _images.OpenAsync(LuksFormat.Instance, "disk.luks", options: ("key-secret", "s0"));
    }

    [Fact]
    public async Task With_force_the_last_slot_goes_too()
    {
        await using (ImageNode node = await Open()) await Amend(node, "state=inactive,keyslot=0", force: true);
        await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(LuksFormat.Instance, "disk.luks", options: ("key-secret", "s0")));
    }

    public void Dispose() => _images.Dispose();

    private async Task<ImageNode> Open()
    {
        await _images.CreateAsync(LuksFormat.Instance, "disk.luks", 1 << 20, ("key-secret", "s0"), ("iter-time", "1"));
        return await _images.OpenAsync(LuksFormat.Instance, "disk.luks", options: ("key-secret", "s0"));
    }

    private static ValueTask Amend(ImageNode node, string options, bool force = false) => ((IImageAmend)node).AmendAsync(
        options.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(static o => o.Split('=')).ToDictionary(static o => o[0], static o => o[1]), force, null, default);

    private static string Slots(ImageNode node)
    {
        IReadOnlyList<object> slots = (IReadOnlyList<object>)node.DescribeSpecifics()!.Single(static p => p.Key == "slots").Value;
        return string.Join(' ', slots.Select(static s => ((IReadOnlyList<KeyValuePair<string, object>>)s)[0].Value));
    }
}
