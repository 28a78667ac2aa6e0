using System;
using System.Collections.Generic;
using System.Globalization;
using System.Security.Cryptography;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Time;

namespace Hutch.Block.Formats.Luks;

/// <summary>
/// Changes a volume's passphrases as QEMU's amend does: <c>state</c>=active sets <c>new-secret</c> in a free slot or in <c>keyslot</c>, inactive erases
/// <c>keyslot</c> or all slots that <c>old-secret</c> opens.
/// </summary>
internal sealed class LuksAmendment
{
    private readonly LuksVolume _volume;
    private readonly IReadOnlyDictionary<string, string> _options;
    private readonly string _prefix;
    private readonly ISecrets? _secrets;
    private readonly bool _force;

    private LuksAmendment(LuksVolume volume, IReadOnlyDictionary<string, string> options, string prefix, ISecrets? secrets, bool force)
    {
        _volume = volume;
        _options = options;
        _prefix = prefix;
        _secrets = secrets;
        _force = force;
    }

    /// <summary>The options of an amendment.</summary>
    /// <param name="prefix">What stands before their names: "" or "encrypt.".</param>
    internal static IReadOnlyList<CreateOption> Options(string prefix) =>
    [
        new(prefix + "state", CreateOptionType.Text, "Select new state of affected keyslots (active/inactive)") { CanAmend = true },
        new(prefix + "keyslot", CreateOptionType.Number, "Select a single keyslot to modify explicitly") { CanAmend = true },
        new(prefix + "old-secret", CreateOptionType.Text, "Select all keyslots that match this password") { CanAmend = true },
        new(prefix + "new-secret", CreateOptionType.Text, "New secret to set in the matching keyslots. Empty string to erase") { CanAmend = true },
        new(prefix + "iter-time", CreateOptionType.Number, "Time to spend in PBKDF in milliseconds") { CanAmend = true },
    ];

    /// <summary>Carries it out.</summary>
    /// <param name="volume">The volume.</param>
    /// <param name="options">Options by name, with the prefix.</param>
    /// <param name="prefix">What stands before their names.</param>
    /// <param name="passphrase">A passphrase that opens the volume: it was opened with it.</param>
    /// <param name="secrets">Secrets by id.</param>
    /// <param name="force">Do what loses data.</param>
    /// <param name="clock">Measures key derivations.</param>
    /// <param name="cancellation">Ends it between two steps.</param>
    internal static ValueTask ApplyAsync(LuksVolume volume, IReadOnlyDictionary<string, string> options, string prefix, ReadOnlyMemory<byte> passphrase,
        ISecrets? secrets, bool force, IClock clock, CancellationToken cancellation)
    {
        LuksAmendment amendment = new(volume, options, prefix, secrets, force);
        return amendment.Find("state") switch
        {
            "active" => amendment.AddAsync(passphrase, clock, cancellation),
            "inactive" => amendment.EraseAsync(cancellation),
            null => throw new ImageException($"Parameter '{prefix}state' is missing"),
            string other => throw new ImageException($"Parameter '{prefix}state' does not accept value '{other}'"),
        };
    }

    private async ValueTask AddAsync(ReadOnlyMemory<byte> passphrase, IClock clock, CancellationToken cancellation)
    {
        string id = Find("new-secret") ?? throw new ImageException("'new-secret' is required to activate a keyslot");
        if (Find("old-secret") is not null) throw new ImageException("'old-secret' must not be given when activating keyslots");
        int index = FindKeyslot() ?? FindFree();
        if (_volume.Header.Slots[index].IsActive && !_force) throw new ImageException($"Refusing to overwrite active keyslot {index} - please erase it first");
        byte[] fresh = Secret(id);
        long milliseconds = LuksCreateOptions.ParseIterationTime(_options, _prefix);
        byte[] key = await _volume.FindKeyAsync(passphrase, cancellation).ConfigureAwait(false) ?? throw new ImageException("Failed to retrieve the master key");
        int iterations = LuksIterations.Choose(_volume.Header.Hash, key.Length, milliseconds, clock);
        await _volume.SetSlotAsync(index, key, fresh, iterations, cancellation).ConfigureAwait(false);
        CryptographicOperations.ZeroMemory(key);
    }

    private async ValueTask EraseAsync(CancellationToken cancellation)
    {
        if (Find("new-secret") is not null) throw new ImageException("'new-secret' must not be given when erasing keyslots");
        if (Find("iter-time") is not null) throw new ImageException("'iter-time' must not be given when erasing keyslots");
        byte[]? old = Find("old-secret") is string id ? Secret(id) : null;
        if (FindKeyslot() is int index)
        {
            if (old is not null && await _volume.TryOpenSlotAsync(index, old, cancellation).ConfigureAwait(false) is null)
                throw new ImageException($"Given keyslot {index} doesn't contain the given old password for erase operation");
            if (!_volume.Header.Slots[index].IsActive && !_force) throw new ImageException($"Given keyslot {index} is already erased (inactive) ");
            if (CountActive() == 1 && _volume.Header.Slots[index].IsActive && !_force)
                throw new ImageException($"Attempt to erase the only active keyslot {index} which will erase all the data in the image irreversibly - refusing operation");
            await _volume.EraseSlotAsync(index, cancellation).ConfigureAwait(false);
            return;
        }
        if (old is null) throw new ImageException("To erase keyslot(s), either explicit keyslot index or the password currently contained in them must be given");
        await EraseMatchingAsync(old, cancellation).ConfigureAwait(false);
    }

    private async ValueTask EraseMatchingAsync(byte[] old, CancellationToken cancellation)
    {
        List<int> matching = [];
        for (int i = 0; i < LuksHeader.KeySlots; i++)
            if (await _volume.TryOpenSlotAsync(i, old, cancellation).ConfigureAwait(false) is not null) matching.Add(i);
        if (matching.Count == 0) throw new ImageException("No keyslots match given (old) password for erase operation");
        if (matching.Count == CountActive() && !_force)
        {
            throw new ImageException("All the active keyslots match the (old) password that was given and erasing them will erase all the data in the image "
                + "irreversibly - refusing operation");
        }
        foreach (int i in matching) await _volume.EraseSlotAsync(i, cancellation).ConfigureAwait(false);
    }

    private int FindFree()
    {
        for (int i = 0; i < LuksHeader.KeySlots; i++)
            if (!_volume.Header.Slots[i].IsActive) return i;
        throw new ImageException("Can't add a keyslot - all keyslots are in use");
    }

    private int? FindKeyslot()
    {
        if (Find("keyslot") is not string text) return null;
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long index)) throw new ImageException($"Parameter '{_prefix}keyslot' expects a number");
        return index is >= 0 and < LuksHeader.KeySlots ? (int)index
            : throw new ImageException($"Invalid keyslot {index} specified, must be between 0 and {LuksHeader.KeySlots - 1}");
    }

    private int CountActive()
    {
        int count = 0;
        foreach (LuksKeySlot slot in _volume.Header.Slots) count += slot.IsActive ? 1 : 0;
        return count;
    }

    private string? Find(string name) => _options.GetValueOrDefault(_prefix + name);

    private byte[] Secret(string id) => _secrets?.Find(id) ?? throw new ImageException($"No secret with id '{id}'");
}
