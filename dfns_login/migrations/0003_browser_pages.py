from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dfns_login', '0002_passkeys_actions_recovery'),
    ]

    operations = [
        migrations.AlterField(
            model_name='auditevent',
            name='kind',
            field=models.CharField(choices=[('account.invited', 'Invited'), ('account.registered', 'Registered'), ('account.deactivated', 'Deactivated'), ('account.reactivated', 'Reactivated'), ('account.deleted', 'Deleted'), ('code.mailed', 'Code mailed'), ('code.presented', 'Code presented'), ('code.revoked', 'Code revoked'), ('credential.created', 'Credential created'), ('credential.deactivated', 'Credential deactivated'), ('credential.activated', 'Credential activated'), ('credential.renamed', 'Credential renamed'), ('credential.key_replaced', 'Password changed'), ('credential.suspected', 'Passkey may have been copied'), ('account.recovered', 'Account recovered'), ('action.signed', 'User action signed'), ('session.opened', 'Signed in'), ('session.closed', 'Signed out')], max_length=32),
        ),
    ]
